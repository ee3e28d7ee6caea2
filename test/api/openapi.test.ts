import { readFileSync } from 'node:fs';
import { nodeRoutes } from '../../api/node/routes.ts';
import { describeApi } from '../../api/openapi.ts';

const read = (path: string): unknown => JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'));

describe('docs/openapi/node.json', () => {
  // a running API serves the current one at /api/openapi.json
  test('is the description of the routes as they are', () => {
    const { version } = read('../../package.json') as { version: string };
    expect(JSON.parse(JSON.stringify(describeApi(nodeRoutes, version)))).toEqual(read('../../docs/openapi/node.json'));
  });
});
