import { chmodSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ensureBusybox } from '../../../infra/toolchain/busybox.ts';
import { startContainerEngine } from '../../../infra/toolchain/containerEngine.ts';
import { findKubernetes } from '../../../infra/toolchain/cluster/kubernetesPrograms.ts';
import { renderDiagnoses } from '../../../infra/toolchain/doctor.ts';
import { MissingPart } from '../../../infra/toolchain/parts.ts';
import { chooseAccount } from '../../../infra/toolchain/postgresBinaries.ts';
import { prepareParts } from '../../../infra/toolchain/prepare.ts';
import { findTemporalCli } from '../../../infra/toolchain/temporal.ts';
import { createTemporaryFolder } from './temporaryFolder.ts';

const touched = ['TEMPORAL_CLI_PATH', 'C2D_BUSYBOX_PATH', 'C2D_KUBERNETES_DIR', 'DOCKER_HOST'] as const;
const before = Object.fromEntries(touched.map((key) => [key, process.env[key]]));

afterEach(() => {
  for (const key of touched) {
    const value = before[key];
    if (value === undefined) delete process.env[key];
    else process.env[key] = value;
  }
});

const messageOf = async (attempt: () => Promise<unknown>): Promise<string> => {
  const failure: unknown = await attempt().then(
    () => undefined,
    (err: unknown) => err,
  );
  expect(failure).toBeInstanceOf(MissingPart);
  return (failure as MissingPart).message;
};

describe('a missing part', () => {
  test('is one line that ends with what to do, whatever the reason looks like', () => {
    expect(new MissingPart('chain', 'line one\n  line two', 'install it').message).toBe('chain: line one line two. Remedy: install it.');
  });

  test.each<[string, (typeof touched)[number], string, () => Promise<unknown>]>([
    ['a Temporal CLI that is not there', 'TEMPORAL_CLI_PATH', '/nowhere/temporal', findTemporalCli],
    ['a program that is no Temporal CLI', 'TEMPORAL_CLI_PATH', '/bin/true', findTemporalCli],
    ['a busybox that is not there', 'C2D_BUSYBOX_PATH', '/nowhere/busybox', ensureBusybox],
    ['a busybox that needs libraries', 'C2D_BUSYBOX_PATH', process.execPath, ensureBusybox],
    ['a folder without the programs of Kubernetes', 'C2D_KUBERNETES_DIR', '/nowhere', findKubernetes],
    ['an engine that does not answer', 'DOCKER_HOST', 'unix:///nowhere/docker.sock', () => startContainerEngine({ folder: '/nowhere' })],
    ['an engine of another machine', 'DOCKER_HOST', 'tcp://192.0.2.1:2375', () => startContainerEngine({ folder: '/nowhere' })],
  ])('%s names its variable and the remedy in one line', async (_what, variable, value, attempt) => {
    process.env[variable] = value;
    const message = await messageOf(attempt);
    expect(message).toMatch(new RegExp(`^[^\\n]*${variable}[^\\n]*Remedy: [^\\n]*unset ${variable}\\.$`));
  });

  test('an unknown name is answered with the names there are', async () => {
    await expect(prepareParts(['kubernetes'])).rejects.toThrow(
      'there is no part kubernetes; there are temporal, postgres, containers, clients, s3 server, ipfs node, cluster',
    );
  });
});

describe('a Temporal CLI that is named', () => {
  test('is taken as it is, and its server version is told', async () => {
    const file = path.join(createTemporaryFolder(), 'temporal');
    writeFileSync(file, '#!/bin/sh\necho "temporal version 9.9.9 (Server 1.42.0, UI 3.0.0)"\n');
    chmodSync(file, 0o755);
    process.env.TEMPORAL_CLI_PATH = file;
    await expect(findTemporalCli()).resolves.toEqual({ name: 'temporal', version: '1.42.0', path: file, origin: 'environment' });
  });
});

describe('the account of PostgreSQL', () => {
  const isRoot = process.getuid?.() === 0;
  const passwd = (text: string): string => {
    const file = path.join(createTemporaryFolder(), 'passwd');
    writeFileSync(file, text);
    return file;
  };

  test.each<[string, string, { uid: number; gid: number }]>([
    ['its own comes first', 'nobody:x:65534:65533::/:/x\npostgres:x:101:104::/:/x\n', { uid: 101, gid: 104 }],
    ['nobody will do', 'root:x:0:0::/:/x\nnobody:x:65534:65533::/:/x\n', { uid: 65_534, gid: 65_533 }],
  ])('for root: %s', async (_rule, text, expected) => {
    await expect(chooseAccount(passwd(text))).resolves.toEqual(isRoot ? expected : undefined);
  });
});

describe('the table of doctor', () => {
  test('aligns its columns and names the cache folder', () => {
    const text = renderDiagnoses([
      { part: 'a', state: 'ok', version: '1', where: 'path: /a', remedy: '' },
      { part: 'long name', state: 'missing', version: '', where: '', remedy: 'install it' },
    ]);
    const [head = '', first = '', second = ''] = text.split('\n');
    expect(first.indexOf('ok')).toBe(head.indexOf('state'));
    expect(second.indexOf('missing')).toBe(head.indexOf('state'));
    expect(second.indexOf('install it')).toBe(head.indexOf('what to do'));
    expect(text).toMatch(/cache folder: \//);
  });
});
