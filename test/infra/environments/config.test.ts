import { apiConfig } from '../../../api/config.ts';
import { selfTestTargetKeys } from '../../../infra/environments/config.ts';
import { ConfigurationError, parseConfig } from '../../../infra/process/config.ts';

const environment = (over: Record<string, unknown>) => ({
  DATABASE_URL: 'postgres://localhost/c2d',
  C2D_ENCRYPTION_KEYS: `a:${Buffer.alloc(32).toString('base64')}`,
  C2D_CHAINS: JSON.stringify([{ chainId: 1, rpcUrl: 'http://localhost', erc721FactoryAddress: `0x${'1'.repeat(40)}` }]),
  C2D_PROVIDER_PRIVATE_KEY: `0x${'1'.repeat(64)}`,
  C2D_STORAGE_FOLDER: '/results',
  C2D_ENVIRONMENTS: JSON.stringify([{ id: 'a', ...over }]),
});
const devices = [{ id: 'gpu', resource: 'nvidia.com/gpu', max: 1, total: 1 }];

describe('environments with devices', () => {
  test('are good with a cluster', () => {
    expect(parseConfig(apiConfig, { ...environment({ devices }), C2D_RUNTIME: 'kubernetes' }).C2D_ENVIRONMENTS[0]?.devices).toHaveLength(1);
  });

  test('are refused without one, which would have none to give', () => {
    expect(() => parseConfig(apiConfig, environment({ devices }))).toThrow(ConfigurationError);
    expect(() => parseConfig(apiConfig, environment({ devices }))).toThrow('C2D_ENVIRONMENTS (at 0.devices): need C2D_RUNTIME=kubernetes');
  });

  test('a mistake is told with its place', () => {
    expect(() => parseConfig(apiConfig, environment({ maxJobs: 0 }))).toThrow('C2D_ENVIRONMENTS (at 0.maxJobs)');
  });
});

describe('C2D_SEAL_TEST_TARGETS', () => {
  const read = (text: string) => selfTestTargetKeys.C2D_SEAL_TEST_TARGETS.safeParse(text);

  test.each([
    ['', []],
    ['10.0.0.1:22', ['10.0.0.1:22']],
    [' db.example.com:5432 , [fd00::1]:443,', ['db.example.com:5432', '[fd00::1]:443']],
  ])('%p is good', (text, targets) => {
    expect(read(text).data).toEqual(targets);
  });

  test.each(['10.0.0.1', 'http://a:1', 'a:0', 'a:1/b', 'fd00::1'])('%p is not', (text) => {
    expect(read(text).success).toBe(false);
  });
});
