/**
 * An explanation as people read it: the conclusion, then the chain of reasons with marks and how long modules took.
 */

/** As the admin API sends it. */
export interface SentExplanation {
  readonly observer: string;
  readonly target: string;
  readonly is_visible: boolean;
  readonly conclusion: string;
  readonly status: Readonly<Record<string, unknown>> | null;
  readonly reasons: readonly {
    readonly rule: string;
    readonly holds: boolean | null;
    readonly says: string;
    readonly details: Readonly<Record<string, unknown>>;
  }[];
}

type Style = 'bold' | 'dim' | 'green' | 'red' | 'yellow';
const CODES: Readonly<Record<Style, number>> = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 };

/** Whether something has the shape; a server of another version may say other things. */
export function isExplanation(value: object): value is SentExplanation {
  const { conclusion, reasons, is_visible: isVisible } = value as Partial<SentExplanation>;
  return typeof conclusion === 'string' && Array.isArray(reasons) && typeof isVisible === 'boolean';
}

export function formatExplanation({ conclusion, reasons, status }: SentExplanation, inColour: boolean): string {
  const style = (text: string, how: Style): string => (inColour ? `\u001B[${CODES[how]}m${text}\u001B[0m` : text);
  const lines = [style(printable(conclusion), 'bold'), ''];
  for (const { rule, holds, says, details } of reasons) {
    const notes: string[] = [];
    const { ms, outcome, dropped } = details;
    const hasFailed = typeof outcome === 'string' && outcome !== 'ok' && outcome !== 'not_asked';
    if (rule.startsWith('get')) notes.push(typeof ms === 'number' ? `${rule}, ${formatMs(ms)}` : rule);
    if (typeof dropped === 'string') notes.push(`dropped: ${dropped}`);
    const mark = hasFailed
      ? style('!', 'yellow')
      : holds === null
        ? style('·', 'dim')
        : holds
          ? style('✓', 'green')
          : style('✗', 'red');
    const note = notes.length === 0 ? '' : `  ${style(`(${printable(notes.join('; '))})`, 'dim')}`;
    lines.push(`  ${mark} ${printable(says)}${note}`);
  }
  if (status !== null) lines.push('', `  ${style(`shown as: ${printable(JSON.stringify(status))}`, 'dim')}`);
  return lines.join('\n');
}

function formatMs(ms: number): string {
  if (ms < 0.1) return '< 0.1 ms';
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}

/** Names of rooms and messages of errors are anybody's: what would steer the terminal is not printed. */
function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- these are what is looked for
  return text.replaceAll(/[\u0000-\u001F\u007F-\u009F\u202A-\u202E\u2066-\u2069]/g, '\uFFFD');
}
