import { createSocket, type Socket } from 'node:dgram'

/** Exporters send in bursts and UDP does not wait: the kernel's default buffer loses what ours would not. */
const receiveBufferBytes = 8 * 1024 * 1024

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

function growReceiveBuffer(socket: Socket): void {
  try {
    socket.setRecvBufferSize(receiveBufferBytes)
  } catch {
    // Some systems refuse more than they allow; a smaller buffer loses more in a burst, and gaps will show it.
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
