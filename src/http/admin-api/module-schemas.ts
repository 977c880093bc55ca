/**
 * How modules look in answers of the admin API, and how what the router host tells of them becomes that.
 */
import { z } from 'zod';
import type { CallbackReport, LoadedModule, ModuleReport } from '../../router-host/index.ts';

/** The router host, as far as it is looked at. */
export interface ModulesView {
  /** Those that are asked, in order. */
  readonly modules: readonly Pick<LoadedModule, 'name' | 'module' | 'file' | 'callbacks'>[];
  /** One for each registration of callbacks. */
  readonly router: { modules(): readonly ModuleReport[] };
}

const count = (description: string) => z.int().min(0).meta({ description });
const milliseconds = (description: string) =>
  z
    .number()
    .min(0)
    .meta({ description: `${description}, in ms.` });
const timestamp = (description: string) => z.int().meta({ description: `${description}, in ms since 1970.` });

const callback = z
  .object({
    callback: z.enum(['getUsersForStates', 'getInterestedUsers', 'getRestrictions']),
    calls: z
      .object({
        ok: count('Answers.'),
        threw: count('Throws and rejections.'),
        timed_out: count('Calls that had not answered at their deadline.'),
        invalid_return: count('Answers of a wrong shape.'),
        blocked: count('Calls that held up the whole server.'),
        rested: count('Calls that were not made, because the callback rested.'),
      })
      .meta({ description: 'What has become of its calls since the module was loaded.' }),
    seconds: z
      .object({ total: z.number().min(0), count: z.int().min(0) })
      .meta({ description: 'How long its calls took all together, and how many that were.' }),
    running: count('Calls that have not answered yet.'),
    rests: count('How often it was put to rest after failures in a row.'),
    rests_until_ts: z.int().nullable().meta({
      description: 'Until when it rests, in ms since 1970; null if it is asked.',
    }),
    dropped: z
      .record(z.string(), z.int().min(0))
      .meta({ description: 'Entries of answers that were dropped, by reason.' }),
  })
  .meta({ id: 'ModuleCallback' });

const disagreements = z
  .object({
    count: count(
      'How often one callback of the module gave a user the presence of another, and the other callback did not.',
    ),
    examples: z
      .array(
        z.object({
          observer: z.string(),
          source: z.string().meta({ description: 'Whose presence it is about.' }),
          named_by: z
            .enum(['getUsersForStates', 'getInterestedUsers'])
            .meta({ description: 'The callback that named the pair; the other one did not.' }),
          count: count('How often.'),
          first_ts: timestamp('When it was seen first'),
          last_ts: timestamp('And last'),
        }),
      )
      .meta({ description: 'The first distinct pairs, twenty at most for each registration.' }),
  })
  .meta({ id: 'Disagreements' });

export const moduleSchema = z
  .object({
    name: z.string().meta({ description: 'Its name, or its place in the list: what logs and metrics call it.' }),
    module: z.string().meta({ description: 'As the configuration names it.' }),
    file: z.string().meta({ description: 'Where it was found.' }),
    limits: z.object({
      timeout_ms: milliseconds('How long a callback may take'),
      failures_before_rest: count('After so many failures in a row a callback rests; 0 is never.'),
      rest_ms: milliseconds('How long it rests'),
      max_entries: count('Most entries of one answer that are looked at.'),
      on_failure: z.enum(['deny', 'allow']).meta({
        description: 'What holds where `getRestrictions` fails and has never said anything.',
      }),
    }),
    callbacks: z.array(callback).meta({ description: 'Those that it has registered; empty if none.' }),
    remembered: count('User ids in answers that are remembered.'),
    disagreements,
  })
  .meta({ id: 'Module' });

/** In configuration order. */
export function toModules({ modules, router }: ModulesView): z.input<typeof moduleSchema>[] {
  const reports = router.modules();
  return modules.map(({ name, module, file, callbacks: limits }) => {
    const own = reports.filter((report) => report.module === name);
    return {
      name,
      module,
      file,
      limits: {
        timeout_ms: limits.timeoutMs,
        failures_before_rest: limits.failuresBeforeRest,
        rest_ms: limits.restMs,
        max_entries: limits.maxEntries,
        on_failure: limits.onFailure,
      },
      callbacks: own.flatMap(({ callbacks }) => callbacks.map(toCallback)),
      remembered: sum(own.map(({ remembered }) => remembered)),
      disagreements: {
        count: sum(own.map((report) => report.disagreements.count)),
        examples: own.flatMap((report) =>
          report.disagreements.examples.map(({ observer, source, namedBy, count: times, firstTs, lastTs }) => {
            return { observer, source, named_by: namedBy, count: times, first_ts: firstTs, last_ts: lastTs };
          }),
        ),
      },
    };
  });
}

function toCallback(report: CallbackReport): z.input<typeof callback> {
  const { callback: name, calls, seconds, running, rests, restsUntilTs, dropped } = report;
  return {
    callback: name,
    calls: { ...calls },
    seconds: { ...seconds },
    running,
    rests,
    rests_until_ts: restsUntilTs,
    dropped: { ...dropped },
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
