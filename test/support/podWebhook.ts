/** An admission webhook as operators have them, gone wrong: it has pods read a secret that does not exist. */

import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { AdmissionregistrationV1Api, type KubeConfig } from '@kubernetes/client-node';
import { runProgram } from '../../infra/toolchain/run.ts';
import { environmentLabel } from '../../workflows/contract/ids.ts';

/** Which pods it changes. */
export interface PodWebhookOptions {
  readonly config: KubeConfig;
  /** address of this machine at which the API server finds it */
  readonly address: string;
  readonly namespace: string;
  readonly environmentId: string;
}

/** A webhook that is in force. */
export interface PodWebhook {
  close(): Promise<void>;
}

const makeCertificate = async (address: string): Promise<{ readonly key: string; readonly cert: string }> => {
  const folder = await mkdtemp(path.join(tmpdir(), 'c2d-webhook-'));
  const [key, cert] = [path.join(folder, 'key'), path.join(folder, 'cert')];
  try {
    const subject = ['-subj', '/CN=webhook', '-addext', `subjectAltName=IP:${address}`];
    await runProgram('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-keyout', key, '-out', cert, ...subject]);
    return { key: await readFile(key, 'utf8'), cert: await readFile(cert, 'utf8') };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

// the algorithm is the second container of a pod
const patch = [{ op: 'add', path: '/spec/containers/1/envFrom', value: [{ secretRef: { name: 'there-is-no-such-secret' } }] }];

const answer = (review: string): string => {
  const { apiVersion, kind, request } = JSON.parse(review) as { apiVersion: string; kind: string; request: { uid: string } };
  const changed = { patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(patch)).toString('base64') };
  return JSON.stringify({ apiVersion, kind, response: { uid: request.uid, allowed: true, ...changed } });
};

/** Starts it and puts it in force for the pods of one environment in one namespace. */
export const startPodWebhook = async ({ config, address, namespace, environmentId }: PodWebhookOptions): Promise<PodWebhook> => {
  const certificate = await makeCertificate(address);
  const server = createServer(certificate, (req, res) => {
    const pieces: Buffer[] = [];
    req.on('data', (piece: Buffer) => pieces.push(piece));
    req.on('end', () => res.writeHead(200, { 'content-type': 'application/json' }).end(answer(Buffer.concat(pieces).toString('utf8'))));
  });
  server.listen(0, address);
  await once(server, 'listening');
  const api = config.makeApiClient(AdmissionregistrationV1Api);
  const name = `c2d-test-${namespace}`;
  await api.createMutatingWebhookConfiguration({
    body: {
      metadata: { name },
      webhooks: [
        {
          name: 'pods.c2d.test',
          admissionReviewVersions: ['v1'],
          sideEffects: 'None',
          failurePolicy: 'Fail',
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
          objectSelector: { matchLabels: { [environmentLabel]: environmentId } },
          rules: [{ apiGroups: [''], apiVersions: ['v1'], resources: ['pods'], operations: ['CREATE'] }],
          clientConfig: {
            url: `https://${address}:${(server.address() as AddressInfo).port}/`,
            caBundle: Buffer.from(certificate.cert).toString('base64'),
          },
        },
      ],
    },
  });
  return {
    async close() {
      await api.deleteMutatingWebhookConfiguration({ name });
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
};
