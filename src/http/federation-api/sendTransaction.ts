/**
 * PUT /_matrix/federation/v1/send/{txnId}: takes a transaction of another server.
 *
 * Answers when what was in it is durable. Source: S-S API "Transactions".
 */
import type { TransactionReceiver } from '../../federation/receiving/transaction-receiver.ts';
import { RawJson, type Route } from '../route.ts';
import type { FederationGate } from './federation-gate.ts';
import { FEDERATION_V1 } from './paths.ts';

export interface SendTransactionServices {
  readonly gate: Pick<FederationGate, 'run'>;
  readonly receiver: Pick<TransactionReceiver, 'parse' | 'receive'>;
}

/** 50 PDUs and 100 EDUs of 64 KiB each come to a little less. */
const MAX_TRANSACTION_BYTES = 10 * 1024 * 1024;

export function sendTransaction({ gate, receiver }: SendTransactionServices): Route {
  return {
    ...FEDERATION_V1,
    method: 'PUT',
    path: '/send/:txnId',
    operationId: 'sendTransaction',
    readsBody: true,
    maxBodyBytes: MAX_TRANSACTION_BYTES,
    handler: (request) =>
      gate.run(
        request,
        (origin, body) => receiver.parse(origin, body),
        async (origin, transaction) =>
          new RawJson(await receiver.receive(origin, request.params['txnId'] ?? '', transaction)),
      ),
  };
}
