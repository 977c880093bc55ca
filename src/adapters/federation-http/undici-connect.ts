/**
 * Lets undici use connections that somebody else opens.
 */
import type { TLSSocket } from 'node:tls';
import { callbackify } from 'node:util';
import type { buildConnector } from 'undici';

/** Undici's own ideas about host, port and name are not listened to: `open` knows the route. */
export function undiciConnect(open: () => Promise<TLSSocket>): buildConnector.connector {
  return (_options, callback) => {
    callbackify(open)((error, socket) => {
      // An error thrown in here would be lost in a promise; `callbackify` lets it out.
      if (error === null) callback(null, socket);
      else callback(error, null);
    });
  };
}
