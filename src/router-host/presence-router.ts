/** The router host; what others may rely on is in router-api.ts. */
export type { Interest, Router } from './router-api.ts';
export { NO_ROUTER } from './router-api.ts';
