/**
 * The operations of a server: each route with what is counted about it, and the paths that one listener has.
 */
import { PathRouter, pathsOf } from './path-router.ts';
import type { OperationMetrics, RequestMetrics } from './request-metrics.ts';
import type { Route } from './route.ts';

export interface Operation {
  readonly route: Route;
  readonly metrics: OperationMetrics;
  readonly resource: string;
}

/** @throws Error for two routes of one path, a mistake that is to show before the first listener opens */
export function createOperations(routes: readonly Route[], requestMetrics: RequestMetrics): readonly Operation[] {
  const operations = routes.map((route) => ({
    route,
    metrics: requestMetrics.operation(route.method, route.operationId),
    resource: route.resource ?? 'client',
  }));
  routerOf(operations, new Set(operations.map(({ resource }) => resource)));
  return operations;
}

/** Built once for each listener, so that asking costs the same whatever else there is. */
export function routerOf(operations: readonly Operation[], resources: ReadonlySet<string>): PathRouter<Operation> {
  const router = new PathRouter<Operation>();
  for (const operation of operations) {
    if (!resources.has(operation.resource)) continue;
    const { route } = operation;
    for (const path of pathsOf(route)) router.add(route.method, path, operation);
  }
  return router;
}
