import { apiConfig } from '../../../api/config.ts';
import { parseConfig } from '../../../infra/process/config.ts';
import {
  generateServiceKeys,
  localEnvironment,
  serviceEnvironment,
  serviceNames,
  type RuntimePlaces,
  type ServicePlaces,
} from '../../../infra/toolchain/serviceEnvironment.ts';
import { gatewayConfig } from '../../../workers/gateway/config.ts';
import { orchestratorConfig } from '../../../workers/orchestrator/config.ts';

const address = `0x${'ab'.repeat(20)}`;
const addresses = new Proxy({}, { get: () => address }) as ServicePlaces['chain']['contracts'];

const onEngine: RuntimePlaces = { kind: 'docker', gatewayFolder: '/data/gateway', dockerSocket: '/run/podman.sock' };

const onCluster: RuntimePlaces = {
  kind: 'kubernetes',
  kubeconfig: '/data/orchestrator.kubeconfig',
  namespace: 'local-1-1-00000000',
  gateway: { host: '10.180.0.1', port: 8_004, canaryPort: 8_005 },
};

const somePlaces = (): ServicePlaces => ({
  databaseUrl: 'postgres://postgres:secret@127.0.0.1:5432/c2d',
  temporalAddress: '127.0.0.1:7233',
  temporalNamespace: 'default',
  chain: { chainId: 8996, rpcUrl: 'http://127.0.0.1:8545', contracts: addresses },
  environments: [localEnvironment],
  keys: generateServiceKeys(),
  storageFolder: '/data/storage',
  runtime: onEngine,
  agentImage: 'localhost/c2d-agent:0123456789abcdef',
  workflowBundle: '/data/workflows.js',
  instance: 'local-1-1-00000000',
  apiPort: 8_000,
  healthPorts: { api: 8_001, orchestrator: 8_002, gateway: 8_003 },
});

const schemas = { api: apiConfig, orchestrator: orchestratorConfig, gateway: gatewayConfig };

describe.each([onEngine, onCluster])('serviceEnvironment for $kind', (runtime) => {
  test.each(serviceNames)('%s accepts its configuration', (name) => {
    const env = serviceEnvironment({ ...somePlaces(), runtime })[name];
    expect(() => parseConfig(schemas[name], env)).not.toThrow();
  });

  test.each(serviceNames)('%s is given no key that it does not know', (name) => {
    const env = serviceEnvironment({ ...somePlaces(), runtime })[name];
    expect(Object.keys(env).filter((key) => !(key in schemas[name].shape))).toEqual([]);
  });
});

describe('serviceEnvironment', () => {
  test('every process that asks for it knows the runtime', () => {
    const { api, orchestrator } = serviceEnvironment({ ...somePlaces(), runtime: onCluster });
    expect([parseConfig(apiConfig, api).C2D_RUNTIME, parseConfig(orchestratorConfig, orchestrator).C2D_RUNTIME]).toEqual([
      'kubernetes',
      'kubernetes',
    ]);
  });

  test('agents on a cluster are sent to the port on which the gateway listens, and the canary is another one', () => {
    const { orchestrator, gateway } = serviceEnvironment({ ...somePlaces(), runtime: onCluster });
    expect(orchestrator.C2D_GATEWAY_URL).toBe(`http://${gateway.C2D_GATEWAY_HOST}:${gateway.C2D_GATEWAY_PORT}`);
    expect(gateway.C2D_GATEWAY_CANARY_HOST).toBe(gateway.C2D_GATEWAY_HOST);
    expect(gateway.C2D_GATEWAY_CANARY_PORT).not.toBe(gateway.C2D_GATEWAY_PORT);
  });

  test('the agents reach the gateway through the folder that holds its socket', () => {
    const { orchestrator, gateway } = serviceEnvironment(somePlaces());
    expect(gateway.C2D_GATEWAY_SOCKET_PATH).toBe(`${orchestrator.C2D_GATEWAY_SOCKET_FOLDER}/gateway.sock`);
  });

  test.each([
    ['a profile', '/data/engine/seccomp.json'],
    ['no profile', undefined],
  ])('with %s, the orchestrator puts pods under it', (_title, seccompProfile) => {
    const { orchestrator } = serviceEnvironment({ ...somePlaces(), runtime: { ...onEngine, seccompProfile } });
    expect(parseConfig(orchestratorConfig, orchestrator).C2D_SECCOMP_PROFILE).toBe(seccompProfile);
  });

  test('keys of two installations differ', () => {
    const [one, other] = [generateServiceKeys(), generateServiceKeys()];
    expect(one.encryptionKeys).not.toBe(other.encryptionKeys);
    expect(one.providerPrivateKey).not.toBe(other.providerPrivateKey);
  });
});
