"""Ports of this network namespace's loopback for another one: TCP on one side, Unix sockets on the other.

  relay.py outside FOLDER PORT…    FOLDER/PORT.sock leads to 127.0.0.1:PORT here
  relay.py inside FOLDER PORT…     127.0.0.1:PORT here leads to FOLDER/PORT.sock

Prints a line when it listens.
"""

import asyncio
import pathlib
import sys


async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.close()


async def join(connecting, reader, writer):
    try:
        far_reader, far_writer = await connecting
        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))
        far_writer.close()
    except OSError:
        pass
    writer.close()


async def main(side, folder, ports):
    for port in ports:
        path = str(pathlib.Path(folder) / f"{port}.sock")
        if side == "outside":
            await asyncio.start_unix_server(
                lambda r, w, port=port: join(asyncio.open_connection("127.0.0.1", port), r, w), path)
        else:
            await asyncio.start_server(
                lambda r, w, path=path: join(asyncio.open_unix_connection(path), r, w), "127.0.0.1", port)
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], [int(port) for port in sys.argv[3:]]))
