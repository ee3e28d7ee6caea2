import { z } from 'zod';
import { podKeys, requireGatewayRoute } from '../../../infra/pods/config.ts';
import { ConfigurationError, parseConfig } from '../../../infra/process/config.ts';

const schema = z.object(podKeys).superRefine(requireGatewayRoute);
const cluster = {
  C2D_RUNTIME: 'kubernetes',
  C2D_AGENT_IMAGE: 'a',
  C2D_KUBERNETES_NAMESPACE: 'jobs',
  C2D_GATEWAY_URL: 'http://gateway:8080',
};
const engine = { C2D_AGENT_IMAGE: 'a', C2D_GATEWAY_SOCKET_FOLDER: '/run/c2d' };

describe("the runtime's configuration", () => {
  test('what each runtime needs is enough', () => {
    expect(parseConfig(schema, engine)).toMatchObject({ C2D_RUNTIME: 'docker' });
    expect(parseConfig(schema, cluster)).toMatchObject({ C2D_POD_WATCH: true, C2D_POD_HOST_USERS: true, C2D_IMAGE_PULL_SECRETS: [] });
    expect(parseConfig(schema, { ...cluster, C2D_IMAGE_PULL_SECRETS: 'one, two,' }).C2D_IMAGE_PULL_SECRETS).toEqual(['one', 'two']);
  });

  test.each([
    ['C2D_KUBERNETES_NAMESPACE', { ...cluster, C2D_KUBERNETES_NAMESPACE: '' }],
    ['C2D_KUBERNETES_NAMESPACE', { ...cluster, C2D_KUBERNETES_NAMESPACE: 'Not_A_Name' }],
    ['C2D_GATEWAY_URL', { ...cluster, C2D_GATEWAY_URL: '' }],
    ['C2D_GATEWAY_URL', { ...cluster, C2D_GATEWAY_URL: 'https://gateway' }],
    ['C2D_KUBECONFIG', { ...cluster, C2D_KUBECONFIG: 'relative' }],
    ['C2D_INSTANCE', { ...cluster, C2D_INSTANCE: 'ends-with-' }],
    ['C2D_GATEWAY_SOCKET_FOLDER', { C2D_AGENT_IMAGE: 'a' }],
    ['C2D_GATEWAY_SOCKET_FOLDER', { ...engine, C2D_GATEWAY_URL: 'http://g', C2D_GATEWAY_NETWORK: 'n' }],
  ])('names %s when that is amiss (%j)', (key, env) => {
    expect(() => parseConfig(schema, env)).toThrow(ConfigurationError);
    expect(() => parseConfig(schema, env)).toThrow(new RegExp(`- ${key}`));
  });
});
