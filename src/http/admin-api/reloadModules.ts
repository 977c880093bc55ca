/**
 * POST /modules/reload: the same as SIGHUP. The answer comes when the new modules are asked and everybody has been told what differs for them.
 */
import { z } from 'zod';
import { Reply } from '../route.ts';
import { type AdminOperation, defineOperation } from './operation.ts';

export interface ReloadModulesServices {
  /** Never rejects for what is wrong with the configuration or a module. */
  readonly reloadModules: () => Promise<ModulesReloaded | ModulesNotReloaded>;
}

export interface ModulesReloaded {
  readonly modules: readonly { readonly name: string; readonly module: string; readonly file: string }[];
  readonly tookMs: number;
  readonly reloaded: readonly string[];
  readonly needRestart: readonly string[];
}

export interface ModulesNotReloaded {
  /** What is wrong, a sentence each. */
  readonly problems: readonly string[];
}

const answer = z
  .object({
    modules: z
      .array(
        z.object({
          name: z.string().meta({ description: 'What logs and metrics call it.' }),
          module: z.string().meta({ description: 'As the configuration names it.' }),
          file: z.string().meta({ description: 'Where it was found.' }),
        }),
      )
      .meta({ description: 'What runs from now on, in order.' }),
    took_ms: z.number().min(0).meta({ description: 'Until the new ones were asked, in ms.' }),
    configuration: z.object({
      reloaded: z.array(z.string()).meta({ description: 'What else of the configuration has been taken over.' }),
      need_restart: z.array(z.string()).meta({ description: 'Changed keys that the next start applies.' }),
    }),
  })
  .meta({ id: 'ModulesReload' });

const failure = z
  .object({
    errcode: z.literal('M_UNKNOWN'),
    error: z.string(),
    problems: z.array(z.string()).meta({ description: 'All that is wrong: with the configuration, or with modules.' }),
  })
  .meta({ id: 'ModulesReloadFailure' });

export function reloadModules(services: ReloadModulesServices): AdminOperation {
  return defineOperation({
    operationId: 'reloadModules',
    method: 'POST',
    path: '/modules/reload',
    summary: 'Read the configuration and the modules again',
    description:
      'Like `SIGHUP`. The new modules are loaded, checked and constructed beside those that run, and take their place in one step. If anything is wrong, those that run stay. What differs in who sees whom is delivered.',
    answer: { description: 'The modules have been replaced.', schema: answer },
    otherAnswers: {
      422: { description: 'They have not: something is wrong, and those before go on.', schema: failure },
    },
    handler: async () => {
      const outcome = await services.reloadModules();
      if ('problems' in outcome) {
        const { problems } = outcome;
        const error = `The modules were not reloaded: ${problems[0] ?? 'unknown'}`;
        return new Reply(422, { errcode: 'M_UNKNOWN', error, problems });
      }
      const { modules, tookMs, reloaded, needRestart } = outcome;
      return {
        modules: modules.map(({ name, module, file }) => ({ name, module, file })),
        took_ms: tookMs,
        configuration: { reloaded: [...reloaded], need_restart: [...needRestart] },
      };
    },
  });
}
