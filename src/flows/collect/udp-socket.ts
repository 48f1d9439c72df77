import { createSocket, type Socket } from 'node:dgram'

/** Exporters send in bursts and UDP does not wait: the kernel's default buffer loses what ours would not. */
const mostBufferBytes = 32 * 1024 * 1024
const leastBufferBytes = 256 * 1024

export type ReceiveDatagram = (payload: Buffer, address: string, port: number) => void

/** A socket that receives and never sends. */
export async function openUdp(
  at: { readonly host: string; readonly port: number },
  onDatagram: ReceiveDatagram,
  onError: (error: unknown) => void,
): Promise<Socket> {
  const socket = createSocket({ type: at.host.includes(':') ? 'udp6' : 'udp4' })
  socket.on('message', (payload, from) => onDatagram(payload, from.address, from.port))
  try {
    await bound(socket, at.host, at.port)
  } catch (error) {
    socket.close()
    throw error
  }
  socket.on('error', onError)
  growReceiveBuffer(socket)
  return socket
}

/** Linux gives as much of it as it may; other systems refuse what is too much. */
function growReceiveBuffer(socket: Socket): void {
  for (let bytes = mostBufferBytes; bytes >= leastBufferBytes; bytes /= 2) {
    try {
      socket.setRecvBufferSize(bytes)
      return
    } catch {
      // Less, then.
    }
  }
}

function bound(socket: Socket, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.bind(port, host, () => {
      socket.off('error', reject)
      resolve()
    })
  })
}
