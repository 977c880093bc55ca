/**
 * The text of the newest answer that had nothing but presence in it, for whoever is to get the same.
 *
 * An update ends the polls of everybody who may see it, and those of them who are equally far in the rooms are told the
 * same in the same words: one text, made and measured once. Only the newest is kept.
 */
import { printStreamToken, type StreamToken } from './stream-token.ts';
import { renderSyncResponse } from './sync-response.ts';

export class SharedAnswer {
  #text = '';
  #events: string | null = null;
  #position = 0;
  #presence = 0;
  #resume: number | null = null;
  #typing = 0;

  /** `events`: serialised presence, joined by commas. */
  render(next: StreamToken, events: string): string {
    const { position, presence, typing } = next;
    if (
      presence.position !== this.#presence ||
      position !== this.#position ||
      typing !== this.#typing ||
      presence.resume !== this.#resume ||
      events !== this.#events
    ) {
      this.#text = renderSyncResponse(printStreamToken(next), events, null);
      this.#events = events;
      this.#position = position;
      this.#presence = presence.position;
      this.#resume = presence.resume;
      this.#typing = typing;
    }
    return this.#text;
  }
}
