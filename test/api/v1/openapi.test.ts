import { readFileSync } from 'node:fs';
import { createApp } from '../../../api/app.ts';
import { describeApi } from '../../../api/openapi.ts';
import { v1Routes } from '../../../api/v1/routes.ts';
import { v1Description, v1Surface } from '../../../api/v1/surface.ts';
import request from 'supertest';
import { aWorld } from '../support/fakes.ts';

const read = (path: string): unknown => JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'));
const { version } = read('../../../package.json') as { version: string };
const described = JSON.parse(JSON.stringify(describeApi(v1Routes, version, v1Description))) as {
  openapi: string;
  paths: Record<string, Record<string, { security?: unknown; responses: Record<string, { content?: object }> }>>;
};

describe('the description of the REST surface', () => {
  test('docs/openapi/v1.json is current', () => {
    expect(described).toEqual(read('../../../docs/openapi/v1.json'));
  });

  test('is served as OpenAPI 3.1', async () => {
    const { body } = await request(createApp(aWorld().deps)).get('/api/v1/openapi.json');
    expect(body).toEqual({ ...described, info: expect.objectContaining({ title: 'durable-c2d, REST API' }) });
    expect(described.openapi).toBe('3.1.0');
  });

  test('names every route that is served, and no other', () => {
    interface Served {
      readonly path: string;
      readonly methods: Readonly<Record<string, boolean>>;
      readonly stack: readonly { readonly name: string }[];
    }
    const { stack: layers } = v1Surface(aWorld().deps) as unknown as { readonly stack: readonly { readonly route?: Served }[] };
    const served = layers
      .flatMap(({ route }) => (route === undefined ? [] : [route]))
      .filter(({ stack }) => stack.at(-1)?.name !== 'refuseMethod')
      .flatMap(({ path, methods }) => Object.keys(methods).map((method) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`));
    const named = Object.entries(described.paths).flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method} ${path}`));
    expect(named.toSorted()).toEqual(served.toSorted());
    expect(named).toHaveLength(13);
  });

  test('every call but one asks for a token and says what its refusals look like', () => {
    const open = Object.entries(described.paths).flatMap(([path, methods]) =>
      Object.values(methods).flatMap(({ security }) => (security === undefined ? [path] : [])),
    );
    expect(open).toEqual(['/api/v1/environments']);
    for (const methods of Object.values(described.paths))
      for (const { responses } of Object.values(methods))
        for (const [code, { content }] of Object.entries(responses))
          if (Number(code) >= 400) expect(Object.keys(content ?? {})).toEqual(['application/problem+json']);
  });
});
