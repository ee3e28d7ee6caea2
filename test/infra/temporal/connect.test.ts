import { z } from 'zod';
import { connectionOptions, temporalKeys, type TemporalConfig } from '../../../infra/temporal/connect.ts';

const aConfig = (env: Readonly<Record<string, string>>): TemporalConfig => z.object(temporalKeys).parse(env);

describe('connectionOptions', () => {
  test.each<[string, Record<string, string>, unknown]>([
    ['speaks plainly by default', {}, undefined],
    ['trusts what everybody trusts', { C2D_TEMPORAL_TLS: 'true' }, {}],
    [
      'trusts an authority of the operator, under another name',
      { C2D_TEMPORAL_TLS: 'true', C2D_TEMPORAL_TLS_AUTHORITY: 'authority', C2D_TEMPORAL_TLS_SERVER_NAME: 'temporal.internal' },
      { serverRootCACertificate: Buffer.from('authority'), serverNameOverride: 'temporal.internal' },
    ],
    [
      'shows a certificate',
      { C2D_TEMPORAL_TLS: 'true', C2D_TEMPORAL_TLS_CERTIFICATE: 'certificate', C2D_TEMPORAL_TLS_KEY: 'key' },
      { clientCertPair: { crt: Buffer.from('certificate'), key: Buffer.from('key') } },
    ],
    ['sends no certificate without TLS', { C2D_TEMPORAL_TLS_CERTIFICATE: 'certificate', C2D_TEMPORAL_TLS_KEY: 'key' }, undefined],
  ])('%s', (_name, env, tls) => {
    expect((connectionOptions(aConfig(env)) as { tls?: unknown }).tls).toEqual(tls);
  });
});
