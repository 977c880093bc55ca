/**
 * /pushrules: read and change. Clients need them to start; nothing is pushed here.
 *
 * The only scope is `global`. Source: C-S API "Push Rules".
 */
import { z } from 'zod';
import {
  changeRule,
  deleteRule,
  findRule,
  parseKind,
  type PushRuleKind,
  putRule,
} from '../../homeserver/accounts/push-rules/push-rules.ts';
import type { UserPushRules } from '../../homeserver/accounts/push-rules/user-push-rules.ts';
import { MatrixError } from '../../matrix/errors.ts';
import { parseBody } from '../parse-body.ts';
import { type ClientRequest, type Route, STABLE_VERSIONS } from '../route.ts';

const actionsSchema = z.array(z.union([z.string(), z.looseObject({})])).max(100);
const ruleSchema = z.object({
  actions: actionsSchema,
  conditions: z
    .array(z.looseObject({ kind: z.string() }))
    .max(100)
    .optional(),
  pattern: z.string().max(1000).optional(),
});
const enabledSchema = z.object({ enabled: z.boolean() });
const actionsBodySchema = z.object({ actions: actionsSchema });

const RULE = '/pushrules/:scope/:kind/:ruleId';

export function pushRules({ pushRules }: { readonly pushRules: UserPushRules }): Route[] {
  const shared = { versions: STABLE_VERSIONS, auth: 'required' } as const;
  const all = async ({ requester }: ClientRequest): Promise<unknown> => ({
    global: await pushRules.get(requester.userId),
  });
  const scope = async (request: ClientRequest): Promise<unknown> => {
    checkScope(request);
    return pushRules.get(request.requester.userId);
  };
  const rule = async (request: ClientRequest): Promise<ReturnType<typeof findRule>> => {
    const { kind, ruleId } = ruleOf(request);
    return findRule(await pushRules.get(request.requester.userId), kind, ruleId);
  };
  return [
    { ...shared, method: 'GET', path: '/pushrules', operationId: 'getPushRules', handler: all },
    { ...shared, method: 'GET', path: '/pushrules/', operationId: 'getPushRules', handler: all },
    { ...shared, method: 'GET', path: '/pushrules/:scope', operationId: 'getPushRulesGlobal', handler: scope },
    { ...shared, method: 'GET', path: '/pushrules/:scope/', operationId: 'getPushRulesGlobal', handler: scope },
    { ...shared, method: 'GET', path: RULE, operationId: 'getPushRule', handler: rule },
    {
      ...shared,
      method: 'PUT',
      path: RULE,
      operationId: 'setPushRule',
      handler: async (request) => {
        const { kind, ruleId } = ruleOf(request);
        const given = parseBody(ruleSchema, request);
        const place = { before: request.query.get('before'), after: request.query.get('after') };
        await pushRules.change(request.requester.userId, (rules) => putRule(rules, kind, ruleId, given, place));
      },
    },
    {
      ...shared,
      method: 'DELETE',
      path: RULE,
      operationId: 'deletePushRule',
      handler: async (request) => {
        const { kind, ruleId } = ruleOf(request);
        await pushRules.change(request.requester.userId, (rules) => deleteRule(rules, kind, ruleId));
      },
    },
    {
      ...shared,
      method: 'GET',
      path: `${RULE}/enabled`,
      operationId: 'isPushRuleEnabled',
      handler: async (request) => ({ enabled: (await rule(request)).enabled }),
    },
    {
      ...shared,
      method: 'PUT',
      path: `${RULE}/enabled`,
      operationId: 'setPushRuleEnabled',
      handler: async (request) => {
        const { kind, ruleId } = ruleOf(request);
        const change = parseBody(enabledSchema, request);
        await pushRules.change(request.requester.userId, (rules) => changeRule(rules, kind, ruleId, change));
      },
    },
    {
      ...shared,
      method: 'GET',
      path: `${RULE}/actions`,
      operationId: 'getPushRuleActions',
      handler: async (request) => ({ actions: (await rule(request)).actions }),
    },
    {
      ...shared,
      method: 'PUT',
      path: `${RULE}/actions`,
      operationId: 'setPushRuleActions',
      handler: async (request) => {
        const { kind, ruleId } = ruleOf(request);
        const change = parseBody(actionsBodySchema, request);
        await pushRules.change(request.requester.userId, (rules) => changeRule(rules, kind, ruleId, change));
      },
    },
  ];
}

function ruleOf(request: ClientRequest): { readonly kind: PushRuleKind; readonly ruleId: string } {
  checkScope(request);
  return { kind: parseKind(request.params['kind']), ruleId: request.params['ruleId'] ?? '' };
}

function checkScope(request: ClientRequest): void {
  if (request.params['scope'] !== 'global') {
    throw new MatrixError(400, 'M_INVALID_PARAM', "The only scope of push rules is 'global'");
  }
}
