/** Certificates, keys and tokens of one cluster. All are made new for each and end with it. */

import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { runProgram } from '../run.ts';
import type { ClusterAddresses } from './addresses.ts';

/** Who may call the API server with a token, besides service accounts. */
export type TokenHolder = 'admin' | 'controllerManager' | 'scheduler' | 'kubelet' | 'proxy';

/** Files of the cluster's trust. */
export interface Credentials {
  readonly authority: string;
  readonly serverCertificate: string;
  readonly serverKey: string;
  /** what the API server shows to the kubelet */
  readonly clientCertificate: string;
  readonly clientKey: string;
  /** signs the tokens of service accounts */
  readonly accountKey: string;
  /** in the form of `--token-auth-file` */
  readonly tokens: string;
  /** a kubeconfig for each holder of a token */
  readonly kubeconfigs: Readonly<Record<TokenHolder, string>>;
}

const validDays = '3650';

/** Name of the one node. */
export const nodeName = 'c2d-node';

const identities: Readonly<Record<TokenHolder, readonly [user: string, group: string]>> = {
  admin: ['admin', 'system:masters'],
  controllerManager: ['system:kube-controller-manager', ''],
  scheduler: ['system:kube-scheduler', ''],
  kubelet: [`system:node:${nodeName}`, 'system:nodes'],
  proxy: ['system:kube-proxy', ''],
};

/** Makes everything in the folder. */
export const makeCredentials = async (folder: string, addresses: ClusterAddresses): Promise<Credentials> => {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const inFolder = (name: string): string => path.join(folder, name);
  const [authority, authorityKey] = [inFolder('authority.crt'), inFolder('authority.key')];
  await makeAuthority(authority, authorityKey);
  const firstService = addresses.serviceCidr.replace(/\.0\/\d+$/, '.1');
  const names = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc', 'kubernetes.default.svc.cluster.local'];
  const server = await issue({
    folder,
    name: 'server',
    subject: '/CN=kube-apiserver',
    usage: 'serverAuth',
    names: [...names.map((name) => `DNS:${name}`), ...[addresses.node, firstService, '127.0.0.1'].map((address) => `IP:${address}`)],
  });
  const client = await issue({
    folder,
    name: 'client',
    subject: '/O=system:masters/CN=kube-apiserver-kubelet-client',
    usage: 'clientAuth',
    names: [],
  });
  const accountKey = inFolder('accounts.key');
  await openssl('genrsa', '-out', accountKey, '2048');
  return {
    authority,
    serverCertificate: server.certificate,
    serverKey: server.key,
    clientCertificate: client.certificate,
    clientKey: client.key,
    accountKey,
    ...(await makeTokens(folder, authority, addresses)),
  };
};

const openssl = (...args: string[]): Promise<string> => runProgram('openssl', args, { timeoutMs: 60_000 });

const keyOptions = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

const makeAuthority = (certificate: string, key: string): Promise<string> =>
  openssl('req', '-x509', ...keyOptions, '-days', validDays, '-subj', '/CN=durable-c2d test cluster', '-keyout', key, '-out', certificate);

interface Issuance {
  readonly folder: string;
  readonly name: string;
  readonly subject: string;
  readonly usage: 'serverAuth' | 'clientAuth';
  readonly names: readonly string[];
}

const issue = async ({ folder, name, subject, usage, names }: Issuance): Promise<{ certificate: string; key: string }> => {
  const [request, extensions, key, certificate] = ['csr', 'ext', 'key', 'crt'].map((ending) => path.join(folder, `${name}.${ending}`)) as [
    string,
    string,
    string,
    string,
  ];
  await writeFile(extensions, [`extendedKeyUsage=${usage}`, ...(names.length > 0 ? [`subjectAltName=${names.join(',')}`] : [])].join('\n'));
  await openssl('req', '-new', ...keyOptions, '-subj', subject, '-keyout', key, '-out', request);
  const [authority, authorityKey] = [path.join(folder, 'authority.crt'), path.join(folder, 'authority.key')];
  await openssl(
    'x509',
    '-req',
    '-in',
    request,
    '-CA',
    authority,
    '-CAkey',
    authorityKey,
    '-CAcreateserial',
    '-days',
    validDays,
    '-extfile',
    extensions,
    '-out',
    certificate,
  );
  return { certificate, key };
};

const makeTokens = async (
  folder: string,
  authority: string,
  { node }: ClusterAddresses,
): Promise<Pick<Credentials, 'tokens' | 'kubeconfigs'>> => {
  const certificate = await readFile(authority);
  const lines: string[] = [];
  const files: [string, string][] = [];
  for (const [holder, [user, group]] of Object.entries(identities)) {
    const token = randomBytes(24).toString('hex');
    lines.push([token, user, holder, ...(group === '' ? [] : [group])].join(','));
    const file = path.join(folder, `${holder}.kubeconfig`);
    await writeFile(file, kubeconfig(`https://${node}:6443`, certificate.toString('base64'), token), { mode: 0o600 });
    files.push([holder, file]);
  }
  const tokens = path.join(folder, 'tokens.csv');
  await writeFile(tokens, `${lines.join('\n')}\n`, { mode: 0o600 });
  return { tokens, kubeconfigs: Object.fromEntries(files) as Record<TokenHolder, string> };
};

/** JSON, which every reader of YAML takes. */
const kubeconfig = (server: string, authority: string, token: string): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'cluster', cluster: { server, 'certificate-authority-data': authority } }],
    users: [{ name: 'user', user: { token } }],
    contexts: [{ name: 'context', context: { cluster: 'cluster', user: 'user' } }],
    'current-context': 'context',
  });
