/**
 * `modules` and the limits on what modules may do. What a module's own `config` means is the module's business.
 *
 * Source: the reference server's `modules`; `name`, `module_callbacks` and the file specifiers are ours.
 */
import { z } from 'zod';
import { DEFAULTS } from '../defaults.ts';
import { checkedText, duration, list, mapping, oneOf, SECTION, section, wholeNumber } from '../fields.ts';

const defaults = DEFAULTS.module_callbacks;
const words = {
  timeout: 'How long a callback may take; after that its answer is passed over.',
  failures_before_rest:
    'After so many failures in a row (a throw, a timeout, a wrong answer) the callback rests; 0 is never.',
  rest: 'How long a callback rests.',
  max_entries: 'Most entries of one answer that are looked at; further ones are dropped and counted.',
  on_failure:
    'Whether observers get presence, `allow`, or not, `deny`, when `getRestrictions` fails and has never said anything about them.',
};

/** Without defaults: what an entry of `modules` leaves out comes from the top level. */
const overrides = section({
  timeout: duration().optional().meta({ description: words.timeout, example: '2s' }),
  failures_before_rest: wholeNumber({ min: 0 })
    .optional()
    .meta({ description: words.failures_before_rest, example: 5 }),
  rest: duration().optional().meta({ description: words.rest, example: '30s' }),
  max_entries: wholeNumber({ min: 1 }).optional().meta({ description: words.max_entries, example: 100_000 }),
  on_failure: oneOf(['deny', 'allow']).optional().meta({ description: words.on_failure, example: 'deny' }),
});

const specifier = checkedText(
  (value) => !value.startsWith('#') && !value.endsWith('#'),
  'must be a text such as "./my-router.ts", "./my-router.ts#ExportName" or "package#ExportName"',
);

export const moduleEntry = section({
  module: specifier.meta({
    description:
      'The file (relative to this one) or package, and after # the name of the export; without it the default export or the only one.',
    example: './my-router.ts#MyRouter',
  }),
  config: z
    .union([mapping(z.unknown()), z.literal([false, 0, ''])], { error: SECTION })
    .optional()
    .meta({
      description: 'Whatever the module asks for; an empty section when absent.',
      example: { watched: ['@alice:example.org'] },
    }),
  name: checkedText(
    (name) => /^[\w.:/@-]{1,100}$/.test(name),
    'must be a word of at most 100 letters, digits and _ . : / @ -',
  )
    .optional()
    .meta({
      description: 'Tells this entry apart from others in logs and metrics. Default: its position in the list, from 0.',
      example: 'my-router',
    }),
  module_callbacks: overrides
    .optional()
    .meta({ description: 'The keys of the top-level section, for this entry alone.' }),
});

export const moduleKeys = {
  modules: list(moduleEntry)
    .prefault([])
    .meta({ description: 'The modules, in the order in which they are constructed and asked.' }),
  module_callbacks: section({
    timeout: duration().prefault(defaults.timeout).meta({ description: words.timeout, example: '2s' }),
    failures_before_rest: wholeNumber({ min: 0 })
      .prefault(defaults.failures_before_rest)
      .meta({ description: words.failures_before_rest, example: 5 }),
    rest: duration().prefault(defaults.rest).meta({ description: words.rest, example: '30s' }),
    max_entries: wholeNumber({ min: 1 })
      .prefault(defaults.max_entries)
      .meta({ description: words.max_entries, example: 100_000 }),
    on_failure: oneOf(['deny', 'allow'])
      .prefault(defaults.on_failure)
      .meta({ description: words.on_failure, example: 'deny' }),
  })
    .prefault({})
    .meta({ description: "What a module's callbacks may cost. An entry of `modules` can have its own." }),
};
