/**
 * The `context` argument of callbacks: an AbortSignal that costs nothing until somebody looks at it.
 */
import type { CallbackContext } from '../module/callbacks.ts';

export class LazyContext implements CallbackContext {
  #controller: AbortController | undefined;
  #reason: string | undefined;

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#reason !== undefined) this.#controller.abort(new Error(this.#reason));
    return this.#controller.signal;
  }

  static abort(context: LazyContext, reason: string): void {
    context.#reason ??= reason;
    context.#controller?.abort(new Error(context.#reason));
  }
}

/** Aborts the signal, whether it has been looked at or not. Not a method, so that modules do not have it. */
export const abortContext = (context: LazyContext, reason: string): void => LazyContext.abort(context, reason);
