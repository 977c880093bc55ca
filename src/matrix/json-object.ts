/**
 * JSON that came from outside and has not been looked into yet: whether it is an object at all.
 */

export type JsonObject = Readonly<Record<string, unknown>>;

/** Whether `value` is a JSON object: no array, no null. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
