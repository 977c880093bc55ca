/**
 * /user/{userId}/filter: definitions that a client stores once and names in every sync.
 *
 * A definition is checked when it is stored, so that a sync never finds a bad one. Source: C-S API "Filtering".
 */
import type { AccountData } from '../../homeserver/accounts/account-data.ts';
import { parseFilter } from '../../homeserver/sync/filter.ts';
import { MatrixError } from '../../matrix/errors.ts';
import { objectBody } from '../parse-body.ts';
import { type Route, STABLE_VERSIONS } from '../route.ts';
import { ownUserId } from './own-user.ts';

export function filters({ accountData }: { readonly accountData: AccountData }): Route[] {
  return [
    {
      method: 'POST',
      path: '/user/:userId/filter',
      versions: STABLE_VERSIONS,
      auth: 'required',
      operationId: 'defineFilter',
      handler: async (request) => {
        const userId = ownUserId(request);
        const definition = objectBody(request);
        parseFilter(definition);
        return { filter_id: await accountData.addFilter(userId, definition) };
      },
    },
    {
      method: 'GET',
      path: '/user/:userId/filter/:filterId',
      versions: STABLE_VERSIONS,
      auth: 'required',
      operationId: 'getFilter',
      handler: async (request) => {
        const found = await accountData.findFilter(ownUserId(request), request.params['filterId'] ?? '');
        if (found === null) throw new MatrixError(404, 'M_NOT_FOUND', 'There is no such filter');
        return found;
      },
    },
  ];
}
