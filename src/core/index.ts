/**
 * `thalamus/core`: the engine and its vocabulary, for those who embed it.
 */
export type { EngineCounters, Locality } from './counters.ts';
export type * from './engine-api.ts';
export type { InterestAnswer } from './interest.ts';
export { PresenceEngine } from './presence-engine.ts';
export type { UserPresenceState } from './user-presence-state.ts';
