/**
 * `thalamus/module/testing`: what a module author's tests import.
 */
export { createModuleHarness } from './create-module-harness.ts';
export type {
  HarnessRooms,
  InstanceOf,
  ModuleHarness,
  ModuleHarnessOptions,
  ModuleUnderTest,
  PresenceFromServer,
  ReceivedPresence,
  SentToServer,
} from './module-harness.ts';
