/**
 * GET /openapi.json: the description of this API. It holds no secret, and tools fetch it before they have a token.
 */
import { z } from 'zod';
import { RawJson } from '../route.ts';
import { describeAdminApi } from './openapi.ts';
import { type AdminOperation, defineOperation } from './operation.ts';

const answer = z
  .looseObject({
    openapi: z.string().meta({ description: 'The version of OpenAPI.' }),
    info: z.looseObject({}).meta({ description: 'What is described.' }),
    paths: z.looseObject({}).meta({ description: 'The operations, by path and method.' }),
  })
  .meta({ description: 'An OpenAPI document.' });

/** `operations`: all others. `version`: of this software. */
export function getOpenapi(operations: readonly AdminOperation[], version: string): AdminOperation {
  let document: RawJson | null = null;
  const own: AdminOperation = defineOperation({
    operationId: 'getOpenapi',
    method: 'GET',
    path: '/openapi.json',
    summary: 'This description',
    description: 'OpenAPI 3.1, made from the operations that are served.',
    isOpen: true,
    answer: { description: 'The description.', schema: answer },
    handler: () => (document ??= new RawJson(JSON.stringify(describeAdminApi([...operations, own], version)))),
  });
  return own;
}
