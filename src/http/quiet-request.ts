/**
 * Node's request, less what Node does with one after its answer although there is nothing left to do.
 *
 * Whatever nobody has read of a request is read when it is answered. Of one that came without a body that is nothing, and
 * finding it out takes half a dozen events. Node 24 can leave it out by itself (`optimizeEmptyRequests`), in the same
 * way. `_dump` is no documented method: should it go, nothing is left out and nothing else changes.
 */
import { IncomingMessage } from 'node:http';

interface NodesOwn {
  readonly _dump?: () => void;
  readonly _readableState?: { endEmitted: boolean };
}

const { _dump: dump } = IncomingMessage.prototype as NodesOwn;

export class QuietRequest extends IncomingMessage {
  _dump(): void {
    const { _readableState: state } = this as NodesOwn;
    // Node lets go of a request that has ended, and needs no event to tell it.
    if (this.complete && this.readableLength === 0 && state !== undefined) state.endEmitted = true;
    else dump?.call(this);
  }
}
