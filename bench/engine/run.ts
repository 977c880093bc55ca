/**
 * Measures the engine alone and prints JSON: `node --expose-gc scripts/run-ts.mjs bench/engine/run.ts`.
 */
import { measureDeliveries } from './deliveries.ts';
import { measureGrowth } from './growth.ts';
import { measureMemory } from './memory.ts';

const memory = measureMemory();
const deliveries = measureDeliveries();
const growth = measureGrowth();
console.log(JSON.stringify({ memory, deliveries, growth }, null, 2));
