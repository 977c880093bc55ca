/**
 * GET /modules/{name}: one of the modules that are asked now.
 */
import { z } from 'zod';
import { MatrixError } from '../../matrix/errors.ts';
import { type ModulesView, moduleSchema, toModules } from './module-schemas.ts';
import { type AdminOperation, defineOperation } from './operation.ts';

const pathParameters = z.object({
  name: z.string().meta({ description: 'Its name, or its place in the list of the configuration, from 0.' }),
});

export function getModule({ modules }: { readonly modules: ModulesView }): AdminOperation {
  return defineOperation({
    operationId: 'getModule',
    method: 'GET',
    path: '/modules/:name',
    summary: 'One module and its counters',
    pathParameters,
    answer: { description: 'The module.', schema: moduleSchema },
    errors: [{ status: 404, errcode: 'M_NOT_FOUND', description: 'there is no module of that name.' }],
    handler: ({ path: { name } }) => {
      const all = toModules(modules);
      const found = all.find((module) => module.name === name);
      if (found !== undefined) return found;
      const known = all.length === 0 ? 'there are none' : `there are: ${all.map((module) => module.name).join(', ')}`;
      throw new MatrixError(404, 'M_NOT_FOUND', `There is no module '${name}'; ${known}`);
    },
  });
}
