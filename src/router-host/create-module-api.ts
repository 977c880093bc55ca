/**
 * Makes the `api` object of one module: checks its arguments, and passes on what is left to the host's parts and the server.
 *
 * A frozen object of plain functions, so that its members can be taken apart: `const { isMine } = api`.
 */
import { NotSupportedError } from '../errors.ts';
import type { UserId } from '../matrix/identifiers.ts';
import type { NoPresenceRouterCallbacks, PresenceRouterCallbacks } from '../module/callbacks.ts';
import type { ModuleApi, ModuleLogger } from '../module/module-api.ts';
import type { Logger } from '../ports/logger.ts';
import type { BackgroundCalls } from './background-calls.ts';
import { checkDelay, checkFunction, checkUserId, checkUsers } from './check-arguments.ts';
import { show } from './describe-value.ts';
import type { HostContext } from './host-context.ts';
import type { AccountLookups, ModuleServices } from './module-services.ts';
import { CALLBACK_NAMES, nearMisses, PAIR_NAMES } from './near-misses.ts';
import type { PresenceRouter } from './presence-router.ts';
import type { WebResources } from './web-resources.ts';

export interface ModuleApiParts {
  readonly name: string;
  readonly host: HostContext;
  readonly services: ModuleServices;
  readonly router: PresenceRouter;
  readonly background: BackgroundCalls;
  readonly webResources: Pick<WebResources, 'register'>;
  /** Registers a complete pair, a callback that restricts, or all three. */
  readonly register: (callbacks: PresenceRouterCallbacks | NoPresenceRouterCallbacks) => void;
  /** Told of an object without callbacks that was registered all the same. */
  readonly onNoCallbacks: (callbacks: object) => void;
  /** Told of half a pair, also when the module catches the error. */
  readonly onHalfPair: (message: string) => void;
  /** Throws when the module is constructed: what has to be final by then cannot be changed. */
  readonly assertConstructing: (member: string) => void;
}

export function createModuleApi(parts: ModuleApiParts): ModuleApi {
  const { services, background, router, host } = parts;
  const { presence, serverName } = services;
  const accounts = (member: string): AccountLookups => {
    if (services.accounts !== null) return services.accounts;
    throw new NotSupportedError(member, `${member} needs accounts, and this server has none to look in`);
  };

  return Object.freeze<ModuleApi>({
    serverName,
    publicBaseurl: services.publicBaseurl,
    workerName: services.workerName,
    logger: createModuleLogger(host.logger.child({ module: parts.name })),

    registerPresenceRouterCallbacks(callbacks) {
      parts.assertConstructing('registerPresenceRouterCallbacks');
      if (checkCallbacks(callbacks, parts.onHalfPair)) parts.register(callbacks);
      else parts.onNoCallbacks(callbacks);
    },
    sendLocalOnlinePresenceTo: async (users) => presence.sendLocalOnlinePresenceTo(users),
    setPresenceForUsers: async (users) => presence.setPresenceForUsers(users),
    invalidateInterestedUsers(users) {
      const checked = users === undefined ? undefined : checkUsers('invalidateInterestedUsers', users);
      router.forgetObservers(checked);
      presence.invalidateInterestedUsers(checked);
    },
    invalidateUsersForStates(sources) {
      presence.invalidateUsersForStates(checkUsers('invalidateUsersForStates', sources));
    },
    invalidateRestrictions(sources) {
      presence.invalidateRestrictions(
        sources === undefined ? undefined : checkUsers('invalidateRestrictions', sources),
      );
    },

    isMine: (id) => typeof id === 'string' && id.includes(':') && id.slice(id.indexOf(':') + 1) === serverName,
    getQualifiedUserId: (localpart) => qualify(localpart, serverName),
    checkUserExists: async (userId) =>
      (await accounts('checkUserExists').getUserinfoById(checkUserId('checkUserExists', userId)))?.userId ?? null,
    getUserinfoById: async (userId) =>
      accounts('getUserinfoById').getUserinfoById(checkUserId('getUserinfoById', userId)),
    getProfileForUser: async (localpart) => accounts('getProfileForUser').getProfileForUser(localpart),
    getUserByReq: async (request) => accounts('getUserByReq').getUserByReq(request),

    loopingBackgroundCall(f, msec, { desc = nameOf(f), runOnAllInstances = false } = {}) {
      checkFunction('loopingBackgroundCall', f);
      const period = checkDelay('loopingBackgroundCall', msec, 1);
      if (!services.runsBackgroundTasks && !runOnAllInstances) return { [Symbol.dispose]: () => undefined };
      return background.loop(f, period, desc);
    },
    delayedBackgroundCall(msec, f, { desc = nameOf(f) } = {}) {
      checkFunction('delayedBackgroundCall', f);
      return background.delay(checkDelay('delayedBackgroundCall', msec, 0), f, desc);
    },
    runAsBackgroundProcess(desc, f) {
      checkFunction('runAsBackgroundProcess', f);
      return background.run(desc, f);
    },
    shouldRunBackgroundTasks: () => services.runsBackgroundTasks,
    sleep: (seconds) => background.sleep(checkDelay('sleep', seconds * 1000, 0)),
    getCurrentTimeMsec: () => host.clock.now(),

    registerWebResource(path, handler) {
      parts.assertConstructing('registerWebResource');
      parts.webResources.register(parts.name, path, handler);
    },
  });
}

/**
 * Returns whether there is anything to register.
 *
 * @throws TypeError for half a pair, or what is no function
 */
export function checkCallbacks(
  callbacks: PresenceRouterCallbacks | NoPresenceRouterCallbacks,
  onHalfPair: (message: string) => void,
): boolean {
  if ((typeof callbacks !== 'object' && typeof callbacks !== 'function') || callbacks === null) {
    throw new TypeError(`registerPresenceRouterCallbacks: ${show(callbacks)} is not an object with callbacks`);
  }
  const given = CALLBACK_NAMES.filter((name) => callbacks[name] !== undefined);
  for (const name of given) {
    if (typeof callbacks[name] === 'function') continue;
    throw new TypeError(`registerPresenceRouterCallbacks: ${name} is ${show(callbacks[name])} rather than a function`);
  }
  const missing = PAIR_NAMES.filter((name) => !given.includes(name));
  if (missing.length !== 1) return given.length > 0;
  const near = nearMisses(callbacks, missing);
  const found = near.length === 0 ? '' : ` (found ${near.join(', ')})`;
  const half = PAIR_NAMES.filter((name) => given.includes(name)).join();
  const message = `${half} is registered without ${missing.join()}${found}; register both, or neither`;
  onHalfPair(message);
  throw new TypeError(message);
}

function qualify(localpart: string, serverName: string): UserId {
  const userId = localpart.startsWith('@') ? localpart : `@${localpart}:${serverName}`;
  return checkUserId('getQualifiedUserId', userId);
}

function nameOf(f: () => unknown): string {
  return typeof f !== 'function' || f.name === '' ? 'background call' : f.name;
}

function createModuleLogger(logger: Logger): ModuleLogger {
  const method =
    (level: keyof ModuleLogger): ModuleLogger['info'] =>
    (...line) =>
      line.length === 1 ? logger[level]({}, line[0]) : logger[level](line[0], line[1]);
  return { debug: method('debug'), info: method('info'), warn: method('warn'), error: method('error') };
}
