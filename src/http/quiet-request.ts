/**
 * Node's request, less what Node does to tell the end of one that has no body, and that nobody reads.
 *
 * Its stream looks for readers when it ends, and whatever nobody has read is read when the request is answered. Of nothing
 * that takes half a dozen events. Node 24 can leave it out by itself (`optimizeEmptyRequests`), in the same way. What is
 * not documented here is as old as Node: should it go, nothing is left out and nothing else changes.
 */
import { IncomingMessage } from 'node:http';

interface NodesOwn {
  readonly _dump?: () => void;
  readonly _readableState?: { ended: boolean; endEmitted: boolean };
}

const { _dump: dump } = IncomingMessage.prototype as NodesOwn;

export class QuietRequest extends IncomingMessage {
  override push(chunk: unknown, encoding?: BufferEncoding): boolean {
    const { _readableState: state } = this as NodesOwn;
    const isSilent = chunk === null && this.readableLength === 0 && this.readableFlowing === null;
    if (!isSilent || state === undefined || this.listenerCount('end') > 0) return super.push(chunk, encoding);
    state.ended = true;
    state.endEmitted = true;
    return false;
  }

  _dump(): void {
    const { _readableState: state } = this as NodesOwn;
    // Node lets go of a request that has ended, and needs no event to tell it.
    if (this.complete && this.readableLength === 0 && state !== undefined) state.endEmitted = true;
    else dump?.call(this);
  }
}
