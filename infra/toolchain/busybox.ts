/** A static busybox: the shell that every execution pod brings along. */

import { open } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { findOnPath, runProgram } from './run.ts';
import { MissingPart, messageOf, type FoundPart, type Report } from './parts.ts';
import { installDebianPackages } from './debian.ts';

/**
 * A busybox that needs no library: `C2D_BUSYBOX_PATH`, else the one on the PATH.
 * @throws MissingPart if `C2D_BUSYBOX_PATH` names something that is not static
 */
export const findBusybox = async (): Promise<FoundPart | undefined> => {
  const named = process.env.C2D_BUSYBOX_PATH;
  if (named !== undefined && named !== '') {
    if (!existsSync(named) || !(await isStatic(named)))
      throw new MissingPart(
        'busybox',
        'C2D_BUSYBOX_PATH is not a statically linked program',
        'name a static busybox, or unset C2D_BUSYBOX_PATH',
      );
    return describe(named, 'environment');
  }
  const found = findOnPath('busybox');
  return found !== undefined && (await isStatic(found)) ? describe(found, 'path') : undefined;
};

/**
 * A static busybox, installed with apt if need be (Debian and Ubuntu, as root).
 * @throws MissingPart if there is no way to get it
 */
export const ensureBusybox = async (report: Report = () => undefined): Promise<FoundPart> => {
  const found = await findBusybox();
  if (found !== undefined) return found;
  const remedy = 'install a static busybox (Debian: apt-get install busybox-static) or set C2D_BUSYBOX_PATH to one';
  await installDebianPackages(['busybox-static'], report).catch((err: unknown) => {
    throw new MissingPart('busybox', messageOf(err), remedy);
  });
  const installed = await findBusybox();
  if (installed === undefined) throw new MissingPart('busybox', 'there is none that is statically linked', remedy);
  return { ...installed, origin: 'system package' };
};

const describe = async (file: string, origin: FoundPart['origin']): Promise<FoundPart> => {
  const text = await runProgram(file, ['--help'], { timeoutMs: 60_000 });
  return { name: 'busybox', version: /BusyBox v(\S+)/.exec(text)?.[1] ?? 'unknown', path: file, origin };
};

/** True for an ELF file that names no interpreter (program header type 3): the kernel can start it by itself. */
const isStatic = async (file: string): Promise<boolean> => {
  const handle = await open(file);
  try {
    const head = Buffer.alloc(4_096);
    const { bytesRead } = await handle.read(head, 0, head.length, 0);
    const isElf64 = bytesRead >= 64 && head.readUInt32BE(0) === 0x7f454c46 && head.readUInt8(4) === 2;
    if (!isElf64) return false;
    const [offset, size, count] = [Number(head.readBigUInt64LE(32)), head.readUInt16LE(54), head.readUInt16LE(56)];
    const types = Array.from({ length: count }, (_unused, index) => offset + index * size)
      .filter((at) => at + 4 <= bytesRead)
      .map((at) => head.readUInt32LE(at));
    return types.length === count && !types.includes(3);
  } finally {
    await handle.close();
  }
};
