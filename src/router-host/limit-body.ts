/** A request whose body fails when it turns out larger than allowed, whatever its headers say. */

export interface LimitedRequest {
  readonly request: Request;
  isTooLarge(): boolean;
}

/** @param signal - becomes the request's own, so that a handler can see that nobody waits any more */
export function limitBody(given: Request, maxBytes: number, signal: AbortSignal): LimitedRequest {
  if (given.body === null) return { request: new Request(given, { signal }), isTooLarge: () => false };
  let bytes = 0;
  let tooLarge = false;
  const counter = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      bytes += chunk.byteLength;
      if (bytes <= maxBytes) controller.enqueue(chunk);
      else {
        tooLarge = true;
        controller.error(new Error(`the request body is larger than ${maxBytes} bytes`));
      }
    },
  });
  const body = given.body.pipeThrough(counter);
  const init: RequestInit = { method: given.method, body, signal, duplex: 'half' };
  return { request: new Request(given, init), isTooLarge: () => tooLarge };
}
