import path from 'node:path';
import { Client as TemporalClient, Connection } from '@temporalio/client';
import { Client } from 'pg';
import { startPostgres } from '../../../infra/toolchain/postgres.ts';
import { ensureTemporalCli } from '../../../infra/toolchain/temporal.ts';
import { searchAttributes, startTemporal } from '../../../infra/toolchain/temporalServer.ts';
import { createTemporaryFolder } from './temporaryFolder.ts';

const queryAll = async (url: string, text: string): Promise<readonly unknown[]> => {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
};

describe('startPostgres', () => {
  test('keeps committed rows through SIGKILL, restart and a second start in the same folder', async () => {
    const folder = createTemporaryFolder();
    const options = { dataFolder: path.join(folder, 'data'), logFile: path.join(folder, 'postgres.log') };
    const first = await startPostgres(options);
    await queryAll(first.url, 'create table kept (x int)');
    await queryAll(first.url, 'insert into kept values (42)');
    first.kill('SIGKILL');
    await first.waitForEnd();
    await first.restart();
    expect(await queryAll(first.url, 'select x from kept')).toEqual([{ x: 42 }]);
    expect(await queryAll(first.url, 'show fsync')).toEqual([{ fsync: 'on' }]);
    await first.close();
    const second = await startPostgres(options);
    expect(await queryAll(second.url, 'select x from kept')).toEqual([{ x: 42 }]);
    await second.close();
  });

  test('takes nobody without the password', async () => {
    const folder = createTemporaryFolder();
    const server = await startPostgres({ dataFolder: path.join(folder, 'data'), logFile: path.join(folder, 'postgres.log') });
    try {
      const url = new URL(server.url);
      url.password = 'guessed';
      await expect(queryAll(url.href, 'select 1')).rejects.toThrow('password authentication failed');
    } finally {
      await server.close();
    }
  });

  test('a folder that holds something else is told with the reason', async () => {
    const folder = createTemporaryFolder();
    const start = startPostgres({ dataFolder: path.join(folder, 'data'), logFile: path.join(folder, 'log'), port: 1 });
    await expect(start).rejects.toThrow(/^postgres ended with exit code 1: .*could not bind/);
  });
});

describe('startTemporal', () => {
  test('knows the search attributes, and a workflow survives SIGKILL when there is a file', async () => {
    const folder = createTemporaryFolder();
    const { path: cli } = await ensureTemporalCli();
    const server = await startTemporal({ cli, dbFile: path.join(folder, 'temporal.db'), logFile: path.join(folder, 'temporal.log') });
    const connection = await Connection.connect({ address: server.address });
    try {
      const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace: server.namespace });
      expect(Object.keys(customAttributes)).toEqual(expect.arrayContaining([...searchAttributes]));
      const client = new TemporalClient({ connection, namespace: server.namespace });
      const handle = await client.workflow.start('anything', { taskQueue: 'nobody', workflowId: 'kept' });
      server.kill('SIGKILL');
      await server.waitForEnd();
      await server.restart();
      expect((await handle.describe()).status.name).toBe('RUNNING');
      expect((await fetch(server.uiUrl)).status).toBe(200);
    } finally {
      await connection.close();
      await server.close();
    }
  });
});
