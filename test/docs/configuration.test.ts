import { readFileSync } from 'node:fs';
import type { z } from 'zod';
import { apiConfig } from '../../api/config.ts';
import { chainConfig } from '../../infra/ocean/config.ts';
import { computeEnvironment } from '../../infra/environments/environments.ts';
import { storeConfig } from '../../infra/storage/config.ts';
import { gatewayConfig } from '../../workers/gateway/config.ts';
import { orchestratorConfig } from '../../workers/orchestrator/config.ts';

const text = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8');
const row = /^\| `([A-Z][A-Z0-9_]+)`( \*)? *\| ([aog ]+?) *\| (.*?) *\|/gm;
const documented = [...text.matchAll(row)].map(([, key = '', star, processes = '', value = '']) => ({
  key,
  required: star !== undefined,
  processes: processes.trim().split(' '),
  fallback: /^`(.*)`$/.exec(value)?.[1],
}));

const schemas = { a: apiConfig, o: orchestratorConfig, g: gatewayConfig } as const;
const keysOf = (schema: { shape: object }) => Object.keys(schema.shape).toSorted();

describe('docs/configuration.md', () => {
  test.each(Object.entries(schemas))('names every key of process %s, and no other', (process, schema) => {
    expect(
      documented
        .filter(({ processes }) => processes.includes(process))
        .map(({ key }) => key)
        .toSorted(),
    ).toEqual(keysOf(schema));
  });

  test.each(documented)('says truly whether $key has a default', ({ key, required, processes }) => {
    for (const process of processes) {
      const field = (schemas[process as keyof typeof schemas].shape as Record<string, z.ZodType>)[key]!;
      expect({ key, required: !field.safeParse(undefined).success }).toEqual({ key, required });
    }
  });

  test.each(documented.filter(({ fallback }) => fallback !== undefined))(
    'tells the true default of $key',
    ({ key, processes, fallback }) => {
      const field = (schemas[processes[0] as keyof typeof schemas].shape as Record<string, z.ZodType>)[key]!;
      expect(String(field.parse(undefined))).toBe(fallback);
    },
  );

  test.each([
    ['an environment', computeEnvironment.shape],
    ['the limits of an environment', computeEnvironment.parse({ id: 'a' }).limits],
    ['a chain', chainConfig.shape],
    ['a store', Object.assign({}, ...storeConfig.options.map(({ shape }) => shape)) as object],
  ])('describes every field of %s', (_name, fields) => {
    expect(Object.keys(fields).filter((field) => field !== 'limits' && !new RegExp(`\`(limits\\.)?${field}\``).test(text))).toEqual([]);
  });
});
