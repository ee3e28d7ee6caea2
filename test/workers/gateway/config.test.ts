import { ConfigurationError, parseConfig } from '../../../infra/process/config.ts';
import { gatewayConfig } from '../../../workers/gateway/config.ts';

describe('gatewayConfig', () => {
  const good = {
    DATABASE_URL: 'postgres://u:p@127.0.0.1/db',
    C2D_ENCRYPTION_KEYS: `a:${Buffer.alloc(32).toString('base64')}`,
    C2D_ENVIRONMENTS: '[{"id":"test"}]',
    C2D_CHAINS: `[{"chainId":1,"rpcUrl":"http://127.0.0.1:1","erc721FactoryAddress":"0x${'1'.repeat(40)}"}]`,
    C2D_PROVIDER_PRIVATE_KEY: `0x${'1'.repeat(64)}`,
    C2D_STORAGE_FOLDER: '/tmp/results',
    C2D_GATEWAY_SOCKET_PATH: '/run/c2d/gateway.sock',
  };

  test('a socket alone is enough, and the rest has defaults', () => {
    expect(parseConfig(gatewayConfig, good)).toMatchObject({ C2D_UPLOAD_PART_BYTES: 8 * 1024 ** 2, C2D_AGENT_HEARTBEAT_SECONDS: 4 });
  });

  test.each<[string, Record<string, string>, RegExp]>([
    ['nowhere to listen', { C2D_GATEWAY_SOCKET_PATH: '' }, /C2D_GATEWAY_SOCKET_PATH/],
    ['a relative socket path', { C2D_GATEWAY_SOCKET_PATH: 'x.sock' }, /C2D_GATEWAY_SOCKET_PATH/],
    ['a canary without an address', { C2D_GATEWAY_CANARY_PORT: '9' }, /C2D_GATEWAY_CANARY_PORT/],
    ['tiny parts', { C2D_UPLOAD_PART_BYTES: '1' }, /C2D_UPLOAD_PART_BYTES/],
    ['a key that is none', { C2D_PROVIDER_PRIVATE_KEY: 'secret-value' }, /C2D_PROVIDER_PRIVATE_KEY/],
  ])('%s is refused by the key, and no value is told', (_name, change, key) => {
    const parse = (): unknown => parseConfig(gatewayConfig, { ...good, ...change });
    expect(parse).toThrow(ConfigurationError);
    expect(parse).toThrow(key);
    expect(parse).not.toThrow(/secret-value/);
  });
});
