/**
 * The lines of the table about sending to and receiving from other servers, each against the bare hub in the same run.
 *
 * What is to reach is what there was when it was first measured, rounded down: it says when something has become slow.
 */
import type { BenchRow } from '../row.ts';
import { createMaterial } from './material.ts';
import { measureReceiving, type ReceivingScenario } from './receiving.ts';
import { measureSending, type SendingScenario } from './sending.ts';

const SENDING: readonly (SendingScenario & { readonly what: string; readonly atLeast: number })[] = [
  { what: '50 users change, each told to 50 servers', states: 50, destinations: 50, rounds: 60, atLeast: 0.4 },
  { what: '1 user changes, told to 50 servers', states: 1, destinations: 50, rounds: 120, atLeast: 0.4 },
  { what: '50 users change, told to 1 server', states: 50, destinations: 1, rounds: 600, atLeast: 0.15 },
];
const RECEIVING: readonly (ReceivingScenario & { readonly alone: number; readonly watched: number })[] = [
  { states: 50, transactions: 1200, alone: 0.2, watched: 0.1 },
  { states: 1, transactions: 6000, alone: 0.4, watched: 0.3 },
];

/** @param scale - 1, or less to see that it works */
export async function federationRows(runs: number, scale: number): Promise<BenchRow[]> {
  const material = createMaterial();
  const rows: BenchRow[] = [];
  try {
    for (const { what, atLeast, ...scenario } of SENDING) {
      const rounds = Math.ceil(scenario.rounds * scale);
      const { thalamus, hub } = await measureSending(material, { ...scenario, rounds }, runs);
      rows.push(row(`sent per CPU-second: ${what}`, thalamus, hub, atLeast, runs));
    }
    for (const { alone: aloneAtLeast, watched: watchedAtLeast, ...scenario } of RECEIVING) {
      const transactions = Math.ceil(scenario.transactions * scale);
      const { hub, alone, watched } = await measureReceiving(material, { ...scenario, transactions }, runs);
      const what = `received per CPU-second: transactions of ${scenario.states === 1 ? '1 state' : `${scenario.states} states`}`;
      rows.push(row(`${what}, nobody connected`, alone, hub, aloneAtLeast, runs));
      rows.push(row(`${what}, with 10 long polls that get them all`, watched, hub, watchedAtLeast, runs));
    }
  } finally {
    material.remove();
  }
  return rows;
}

function row(what: string, measured: number, comparedWith: number, atLeast: number, runs: number): BenchRow {
  const value = measured / comparedWith;
  return {
    what,
    measured,
    unit: 'states',
    comparedWith,
    value,
    target: `at least ${atLeast}`,
    isMet: value >= atLeast,
    runs,
  };
}
