/**
 * What the demonstrations write to the terminal: chapters, and what a person's client shows.
 */
import { styleText } from 'node:util';
import type { SdkClient } from '../../test/support/sdk-client.ts';

const colours = { alice: 'magenta', bob: 'cyan', charlie: 'yellow', dora: 'gray' } as const;
const dots = {
  online: styleText('green', '●'),
  unavailable: styleText('yellow', '●'),
  offline: styleText('gray', '○'),
} as const;

export type Person = keyof typeof colours;

export function say(text = ''): void {
  process.stdout.write(`${text}\n`);
}

export function chapter(number: number, text: string): void {
  say();
  say(styleText('bold', `${number}. ${text}`));
}

export function name(person: Person): string {
  return styleText(colours[person], person[0]?.toUpperCase() + person.slice(1));
}

/** A module's code from its first export on, as it runs. */
export function showModule(source: string): void {
  const body = source.slice(source.indexOf('export ')).trimEnd();
  for (const line of body.split('\n')) say(styleText('gray', `   │ ${line}`));
}

/** What `person`'s client shows of others, as a person would see it. */
export function show(person: Person, client: SdkClient, others: Readonly<Partial<Record<Person, string>>>): void {
  const row = Object.entries(others).map(([other, userId]) => {
    const { presence, statusMsg } = client.seen(userId);
    const dot = presence in dots ? dots[presence as keyof typeof dots] : styleText('gray', '?');
    const status = statusMsg === undefined ? '' : styleText('italic', ` “${statusMsg}”`);
    return `${dot} ${name(other as Person)} ${styleText('gray', presence === 'unknown' ? 'nothing known' : presence)}${status}`;
  });
  say(`   ${name(person)}'s client shows:  ${row.join('     ')}`);
}

/** Runs a demonstration to its end, and says it when it fails. */
export async function perform(demonstration: () => Promise<void>): Promise<never> {
  await demonstration().catch((error: unknown) => {
    process.stderr.write(
      `${styleText('red', 'The demonstration failed:')} ${error instanceof Error ? error.message : String(error)}\n`,
    );
    process.exitCode = 1;
  });
  // oxlint-disable-next-line no-restricted-properties -- the SDK's timers would hold the terminal for another minute; ours are closed
  process.exit();
}
