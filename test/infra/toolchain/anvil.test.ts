import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';
import { callRpc, localChainId, startAnvil } from '../../../infra/toolchain/chain/anvil.ts';

const chainIdOf = async (rpcUrl: string): Promise<unknown> => (await callRpc(rpcUrl, [{ method: 'eth_chainId', params: [] }]))[0];

/** Waits until nothing listens there any more. */
const untilSilent = async (rpcUrl: string): Promise<void> => {
  const isSilent = async (): Promise<boolean> =>
    chainIdOf(rpcUrl).then(
      () => false,
      () => true,
    );
  for (let tries = 0; tries < 500 && !(await isSilent()); tries += 1) await delay(20);
  await expect(chainIdOf(rpcUrl)).rejects.toThrow('fetch failed');
};

describe('startAnvil', () => {
  test('answers until it is closed, and may be closed twice', async () => {
    const chain = await startAnvil();
    expect(Number(await chainIdOf(chain.rpcUrl))).toBe(localChainId);
    await chain.close();
    await untilSilent(chain.rpcUrl);
    await chain.close();
  });

  test.each(['SIGKILL', 'SIGTERM', 'SIGINT'] as const)(
    'a chain does not outlive us, also when we end by %s',
    async (signal) => {
      const script = `
      import { startAnvil } from ${JSON.stringify(path.resolve('infra/toolchain/chain/anvil.ts'))};
      console.log((await startAnvil()).rpcUrl);
      setTimeout(() => {}, 60_000);`;
      const parent = execa(process.execPath, ['--input-type=module', '-e', script], { reject: false, env: { NODE_OPTIONS: '' } });
      for await (const rpcUrl of parent) {
        expect(Number(await chainIdOf(rpcUrl))).toBe(localChainId);
        parent.kill(signal);
        await untilSilent(rpcUrl);
      }
      expect((await parent).signal).toBe(signal);
    },
    30_000,
  );

  test('a Ctrl-C in the terminal leaves the chain to us', async () => {
    const script = `
      import { startAnvil } from ${JSON.stringify(path.resolve('infra/toolchain/chain/anvil.ts'))};
      process.on('SIGINT', () => console.log('interrupted'));
      console.log((await startAnvil()).rpcUrl);
      setTimeout(() => {}, 60_000);`;
    const options = { reject: false, detached: true, env: { NODE_OPTIONS: '' } } as const;
    const parent = execa(process.execPath, ['--input-type=module', '-e', script], options);
    let rpcUrl = '';
    for await (const line of parent) {
      if (line !== 'interrupted') {
        rpcUrl = line;
        // as a terminal does: to the whole group
        process.kill(-parent.pid!, 'SIGINT');
        continue;
      }
      await delay(200);
      expect(Number(await chainIdOf(rpcUrl))).toBe(localChainId);
      parent.kill('SIGKILL');
    }
    expect(rpcUrl).not.toBe('');
    await untilSilent(rpcUrl);
  }, 30_000);
});
