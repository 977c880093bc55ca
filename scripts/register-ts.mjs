/** Turns on the hooks of ts-hooks.mjs in this process: `node --import ./scripts/register-ts.mjs file.ts`. */
import { register } from 'node:module';

process.setSourceMapsEnabled(true);
register('./ts-hooks.mjs', import.meta.url);
