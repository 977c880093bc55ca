/**
 * `npm run bench:soak`: the soak of load/soak.ts; `-- --clients 2000 --changing 200 --minutes 3 --save` are the figures
 * of the page about benchmarks. Ends with 1 when anything failed or was missed.
 */
import { parseArgs } from 'node:util';
import { soak } from './load/soak.ts';
import { describeMachine, saveResult } from './results.ts';

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '2000' },
    changing: { type: 'string', default: '200' },
    minutes: { type: 'string', default: '3' },
    save: { type: 'boolean', default: false },
  },
});
const startedAt = new Date().toISOString();
const result = await soak({
  clients: Number(values.clients),
  changing: Number(values.changing),
  minutes: Number(values.minutes),
});
console.log(JSON.stringify(result, null, 2));
if (values.save) saveResult('soak', { startedAt, ...describeMachine(), ...result });
if (result.errors.length > 0 || result.missedFinalStates > 0) process.exitCode = 1;
