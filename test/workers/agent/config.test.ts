import { readConfig } from '../../../workers/agent/config.ts';
import { parseProblem } from '../../../workers/agent/http.ts';
import { backoffMs, createLimit } from '../../../workers/agent/patience.ts';

describe('readConfig', () => {
  test.each([
    ['unix:/run/c2d/gateway.sock', { socketPath: '/run/c2d/gateway.sock' }],
    ['http://gateway:8080', { host: 'gateway', port: 8080 }],
    ['http://10.0.0.1', { host: '10.0.0.1', port: 80 }],
    ['http://[fd00::1]:81', { host: 'fd00::1', port: 81 }],
  ])('%s', (C2D_GATEWAY, gateway) => {
    expect(readConfig({ C2D_GATEWAY, C2D_TOKEN: 't' })).toEqual({
      gateway,
      token: 't',
      dataFolder: '/data',
      controlFolder: '/.c2d',
      filters: [],
      filtersFolder: '/.c2d-filters',
      clusterGraceSeconds: undefined,
    });
  });

  test('knows the filters of its pod, and refuses what it does not understand', () => {
    const env = { C2D_TOKEN: 't', C2D_GATEWAY: 'http://gateway' };
    const filters = [{ by: 'environment small', image: 'filter:1', seconds: 5 }];
    expect(readConfig({ ...env, C2D_FILTERS: JSON.stringify(filters) }).filters).toEqual(filters);
    expect(() => readConfig({ ...env, C2D_FILTERS: '[{}]' })).toThrow(/C2D_FILTERS/);
  });

  test.each([{}, { C2D_TOKEN: 't' }, { C2D_TOKEN: 't', C2D_GATEWAY: 'gateway' }, { C2D_GATEWAY: 'http://x' }])('refuses %j', (env) => {
    expect(() => readConfig(env)).toThrow(/C2D_/);
  });
});

describe('parseProblem', () => {
  test.each([
    ['{"type":"A","message":"m","retryable":false}', 500, { type: 'A', message: 'm', retryable: false }],
    ['<html>', 502, { type: '', message: 'the gateway answered 502', retryable: true }],
    ['null', 400, { type: '', message: 'the gateway answered 400', retryable: false }],
    ['', 429, { type: '', message: 'the gateway answered 429', retryable: true }],
  ])('%j with %d', (text, status, problem) => {
    expect(parseProblem(text, status)).toEqual(problem);
  });
});

describe('createLimit', () => {
  test('lets in as many as it says, and everybody in the end, failures included', async () => {
    const limit = createLimit(3);
    let inside = 0;
    let most = 0;
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, (_unused, n) =>
        limit(async () => {
          most = Math.max(most, (inside += 1));
          await new Promise((resolve) => setImmediate(resolve));
          inside -= 1;
          if (n % 5 === 0) throw new Error('x');
        }),
      ),
    );
    expect(most).toBe(3);
    expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(4);
  });
});

describe('backoffMs', () => {
  test('grows, and stays below two seconds', () => {
    expect(backoffMs(0)).toBeLessThanOrEqual(50);
    expect(backoffMs(1_000)).toBeLessThanOrEqual(2_000);
    expect(backoffMs(1_000)).toBeGreaterThanOrEqual(1_600);
  });
});
