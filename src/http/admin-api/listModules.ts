/**
 * GET /modules: the modules that are asked now, in order, and what has become of their calls.
 */
import { z } from 'zod';
import { type ModulesView, moduleSchema, toModules } from './module-schemas.ts';
import { type AdminOperation, defineOperation } from './operation.ts';

const answer = z
  .object({ modules: z.array(moduleSchema).meta({ description: 'In the order in which they are asked.' }) })
  .meta({ id: 'ModuleList' });

export function listModules({ modules }: { readonly modules: ModulesView }): AdminOperation {
  return defineOperation({
    operationId: 'listModules',
    method: 'GET',
    path: '/modules',
    summary: 'The modules and their counters',
    answer: { description: 'The modules.', schema: answer },
    handler: () => ({ modules: toModules(modules) }),
  });
}
