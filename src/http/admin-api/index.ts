/**
 * The operations of the admin API, on listeners with the resource `admin`; everything else is `M_UNRECOGNIZED`.
 */
import type { Route } from '../route.ts';
import type { AdminGate } from './admin-gate.ts';
import { explain, type ExplainServices } from './explain.ts';
import { getModule } from './getModule.ts';
import { getOpenapi } from './getOpenapi.ts';
import { getServerInfo, type GetServerInfoServices } from './getServerInfo.ts';
import { getTraffic, type GetTrafficServices } from './getTraffic.ts';
import { getUser, type GetUserServices } from './getUser.ts';
import { listModules } from './listModules.ts';
import { listUsers, type ListUsersServices } from './listUsers.ts';
import type { ModulesView } from './module-schemas.ts';
import { type AdminOperation, routeOf } from './operation.ts';
import { reloadModules, type ReloadModulesServices } from './reloadModules.ts';

export { AdminGate } from './admin-gate.ts';
export type { ModulesNotReloaded, ModulesReloaded } from './reloadModules.ts';

/** What the operations need, together. Each operation takes only its part. */
export interface AdminApiServices
  extends Omit<ExplainServices, 'presence' | 'clock'>,
    Omit<GetServerInfoServices, 'presence' | 'clock'>,
    Omit<GetUserServices, 'presence'>,
    ReloadModulesServices,
    GetTrafficServices {
  readonly clock: ExplainServices['clock'] & GetServerInfoServices['clock'];
  readonly presence: ExplainServices['presence'] &
    GetServerInfoServices['presence'] &
    GetUserServices['presence'] &
    ListUsersServices['presence'];
  readonly modules: ModulesView;
}

/** Every operation, in the order of the description. */
export function adminOperations(services: AdminApiServices): readonly AdminOperation[] {
  const operations = [
    getServerInfo(services),
    listUsers(services),
    getUser(services),
    explain(services),
    listModules(services),
    getModule(services),
    reloadModules(services),
    getTraffic(services),
  ];
  return [...operations, getOpenapi(operations, services.version)];
}

/** Every route of the admin API. */
export function adminApiRoutes(services: AdminApiServices, gate: AdminGate): Route[] {
  return adminOperations(services).map((operation) => routeOf(operation, gate));
}
