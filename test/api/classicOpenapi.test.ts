import { readFileSync } from 'node:fs';
import { classicDescription } from '../../api/classic/app.ts';
import { classicRoutes } from '../../api/classic/routes.ts';
import { describeApi } from '../../api/openapi.ts';

const read = (path: string): unknown => JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'));

describe('docs/openapi/classic.json', () => {
  // a running API serves the current one at /spec of its classic listener
  test('is the description of the routes as they are', () => {
    const { version } = read('../../package.json') as { version: string };
    expect(JSON.parse(JSON.stringify(describeApi(classicRoutes, version, classicDescription)))).toEqual(
      read('../../docs/openapi/classic.json'),
    );
  });
});
