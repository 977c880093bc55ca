/**
 * Draws the requests of the keep-alive simulation as SVG: one line a case, the highest second of each ten.
 */
import type { KeepAliveResult } from './keep-alive.ts';

export interface Graph {
  readonly fromMinute: number;
  readonly toMinute: number;
  readonly lines: readonly { readonly label: string; readonly colour: string; readonly result: KeepAliveResult }[];
  /** Requests in one second that are far beyond the graph, by minute. */
  readonly spikes: readonly { readonly minute: number; readonly label: string }[];
}

const WIDTH = 860;
const HEIGHT = 360;
const MARGIN = { left: 56, right: 16, top: 58, bottom: 44 };
const BUCKET_SECONDS = 10;
const SPIKE_COLOUR = '#b3261e';

export function keepAliveSvg({ fromMinute, toMinute, lines, spikes }: Graph): string {
  const series = lines.map(({ result }) => buckets(result.requests, fromMinute * 60, toMinute * 60));
  const top = niceTop(Math.max(10, ...series.flat()));
  const plotWidth = WIDTH - MARGIN.left - MARGIN.right;
  const plotHeight = HEIGHT - MARGIN.top - MARGIN.bottom;
  const x = (minute: number): number => MARGIN.left + (plotWidth * (minute - fromMinute)) / (toMinute - fromMinute);
  const y = (rate: number): number => MARGIN.top + plotHeight * (1 - rate / top);
  const at = (value: number): string => value.toFixed(1);
  const grid = [0, 1, 2, 3, 4].map((step) => (top / 4) * step);
  const minutes = Array.from({ length: Math.floor((toMinute - fromMinute) / 5) + 1 }, (_, i) => fromMinute + i * 5);
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    '<title>Keep-alives: requests per second to all servers</title>',
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    ...grid.flatMap((rate) => [
      `<path d="M${MARGIN.left} ${at(y(rate))}H${WIDTH - MARGIN.right}" stroke="#dddddd"/>`,
      `<text x="${MARGIN.left - 8}" y="${at(y(rate) + 4)}" text-anchor="end" fill="#444444">${rate}</text>`,
    ]),
    ...minutes.map(
      (minute) =>
        `<text x="${at(x(minute))}" y="${HEIGHT - MARGIN.bottom + 18}" text-anchor="middle" fill="#444444">${minute}</text>`,
    ),
    `<text x="${MARGIN.left + plotWidth / 2}" y="${HEIGHT - 8}" text-anchor="middle" fill="#444444">minutes since the first user came online</text>`,
    `<text x="14" y="${MARGIN.top + plotHeight / 2}" transform="rotate(-90 14 ${MARGIN.top + plotHeight / 2})" text-anchor="middle" fill="#444444">requests per second</text>`,
    ...spikes.flatMap(({ minute, label }) => [
      `<path d="M${at(x(minute))} ${MARGIN.top - 4}V${at(y(0))}" stroke="${SPIKE_COLOUR}" stroke-width="1.5" stroke-dasharray="5 3"/>`,
      `<text x="${at(x(minute) + 4)}" y="${MARGIN.top - 8}" fill="${SPIKE_COLOUR}">${label}</text>`,
    ]),
    ...lines.flatMap(({ label, colour }, i) => [
      `<path d="${path(series[i]!, fromMinute, x, y)}" fill="none" stroke="${colour}" stroke-width="1.5"/>`,
      `<rect x="${MARGIN.left + i * 330}" y="12" width="14" height="4" fill="${colour}"/>`,
      `<text x="${MARGIN.left + 20 + i * 330}" y="18" fill="#222222">${label}</text>`,
    ]),
    '</svg>',
  ].join('\n')}\n`;
}

/** The highest second of each bucket. */
function buckets(requests: readonly number[], from: number, to: number): number[] {
  const highest: number[] = [];
  for (let second = from; second < to; second += BUCKET_SECONDS) {
    highest.push(Math.max(0, ...requests.slice(second, second + BUCKET_SECONDS)));
  }
  return highest;
}

function path(
  series: readonly number[],
  fromMinute: number,
  x: (minute: number) => number,
  y: (rate: number) => number,
): string {
  const points = series.map((rate, i) => {
    const minute = fromMinute + ((i + 0.5) * BUCKET_SECONDS) / 60;
    return `${x(minute).toFixed(1)} ${y(rate).toFixed(1)}`;
  });
  return `M${points.join('L')}`;
}

/** The next round number that four lines divide. */
function niceTop(highest: number): number {
  const step = 10 ** Math.floor(Math.log10(highest));
  return [1, 2, 4, 6, 8, 10].map((factor) => factor * step).find((top) => top >= highest) ?? highest;
}
