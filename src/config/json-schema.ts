/**
 * The schema as JSON Schema: for editors, for the documentation, and to know which keys a section has.
 */
import { z } from 'zod';
import type { ConfigPath } from './problems.ts';
import { configSchema } from './schema/index.ts';

export interface JsonSchema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly example?: unknown;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: boolean | JsonSchema;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly JsonSchema[];
}

let made: JsonSchema | null = null;

/** The whole file's schema, as it is written (durations are texts, not milliseconds). Made once. */
export function configJsonSchema(): JsonSchema {
  made ??= z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
  return made;
}

/** The schema at `path`, or null where the file's schema says nothing. */
export function schemaAt(path: ConfigPath): JsonSchema | null {
  return schemaWithin(configJsonSchema(), path);
}

/** The schema at `path` below another one. */
export function schemaWithin(root: JsonSchema, path: ConfigPath): JsonSchema | null {
  let schema: JsonSchema | undefined = root;
  for (const part of path) {
    if (typeof part === 'number') schema = schema.items;
    else {
      const other = schema.additionalProperties;
      schema = schema.properties?.[part] ?? (typeof other === 'object' ? other : undefined);
    }
    if (schema === undefined) return null;
  }
  return schema;
}
