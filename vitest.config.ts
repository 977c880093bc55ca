import { defineConfig } from 'vitest/config';
import { packageEntries } from './scripts/package-entries.mjs';

// Whole names only: a plain string alias would also match everything below it.
const alias = [...packageEntries()].map(([name, file]) => ({ find: new RegExp(`^${name}$`), replacement: file }));

export default defineConfig({
  resolve: { alias },
  test: {
    // The second report is what scripts/test-totals.mjs reads.
    reporters: ['default', 'json'],
    outputFile: { json: 'node_modules/.cache/thalamus/tests.json' },
    // One more than cores on the smallest machine: many tests wait for processes and deadlines rather than compute.
    maxWorkers: 3,
    projects: [
      {
        extends: true,
        test: {
          // Nothing but functions: many files share one thread and its module cache.
          name: 'unit',
          include: ['src/**/*.test.ts', 'examples/**/*.test.ts', 'scripts/**/*.test.ts'],
          pool: 'threads',
          isolate: false,
        },
      },
      {
        extends: true,
        test: {
          // Servers, files, signals and child processes: each file gets its own process.
          name: 'server',
          include: ['test/**/*.test.ts'],
          globalSetup: ['./scripts/build-before-tests.ts'],
          pool: 'forks',
          isolate: true,
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
    ],
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      exclude: ['src/**/*.test.ts'],
      reporter: ['text-summary', 'html', 'json-summary'],
    },
  },
});
