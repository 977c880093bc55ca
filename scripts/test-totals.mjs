/**
 * Prints the totals of the last test run and the names of what was skipped, from the report that `npm test` leaves behind.
 *
 * Fails when a test failed, and when no test passed: an empty run must not look like a good one.
 * Usage: `node scripts/test-totals.mjs [report.json]`
 */
import { readFileSync } from 'node:fs';

const path = process.argv[2] ?? new URL('../node_modules/.cache/thalamus/tests.json', import.meta.url);
const report = JSON.parse(readFileSync(path, 'utf8'));

const passed = report.numPassedTests ?? 0;
const failed = report.numFailedTests ?? 0;
const skipped = (report.numPendingTests ?? 0) + (report.numTodoTests ?? 0);
for (const { assertionResults } of report.testResults ?? []) {
  for (const { status, fullName } of assertionResults) {
    if (status === 'skipped' || status === 'pending' || status === 'todo') console.log(`SKIPPED: ${fullName}`);
  }
}
console.log(`Tests: ${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);

if (report.success !== true || failed > 0 || passed === 0) process.exitCode = 1;
