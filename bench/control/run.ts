/**
 * Measures full control and prints JSON: `node --expose-gc scripts/run-ts.mjs bench/control/run.ts [share of the deliveries]`.
 *
 * Nothing restricts, and what restricts, take turns, each time in a service of its own; the median of the runs counts.
 */
import { median } from '../row.ts';
import { ANSWERS, type ControlFigures, type ControlScale, measureAnswerMemory, measureControl } from './measure.ts';

const OBSERVERS = [10, 1_000, 10_000];
const MODULES = [1, 5];
const DELIVERIES = 400_000;

const [, , share = '1', runs = '3'] = process.argv;
const deliveries = DELIVERIES * Number(share);

/** What the code needs to be compiled is nobody's cost. */
await measureControl({ observers: 100, modules: 1, answers: 'each' }, deliveries / 4);

async function measureAll(scale: ControlScale): Promise<ControlFigures> {
  const figures: ControlFigures[] = [];
  for (let run = 0; run < Number(runs); run++) figures.push(await measureControl(scale, deliveries));
  const of = (pick: (one: ControlFigures) => number): number => median(figures.map(pick));
  return {
    ...scale,
    microsecondsPerUpdate: of((one) => one.microsecondsPerUpdate),
    microsecondsPerDelivery: of((one) => one.microsecondsPerDelivery),
    microsecondsToAsk: of((one) => one.microsecondsToAsk),
  };
}

const control: ControlFigures[] = [];
for (const observers of OBSERVERS) {
  control.push(await measureAll({ observers, modules: 0, answers: 'bare' }));
  for (const modules of MODULES) {
    for (const answers of ANSWERS) control.push(await measureAll({ observers, modules, answers }));
  }
}
const memory = await measureAnswerMemory(10_000);
console.log(JSON.stringify({ control, memory }, null, 2));
