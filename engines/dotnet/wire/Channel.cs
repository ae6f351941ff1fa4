#nullable enable
using System;
using System.Buffers;
using System.Buffers.Binary;
using System.IO;
using Microsoft.Win32.SafeHandles;

namespace WorkManager.Wire;

/// <summary>What a frame is. The numbers are the wire's.</summary>
public enum Kind : byte
{
    Attempt = 1,
    Result = 3,
    Error = 4,
    Load = 5,
    Ready = 6,
    Loaded = 7,
}

/// <summary>Frames on descriptor 3: length, kind, length of the head, head, body; numbers are big-endian.</summary>
public sealed class Channel
{
    public const int Contract = 1;

    private const int Prefix = 9;
    private const int Usual = 16 << 10;

    private readonly FileStream stream = new(new SafeFileHandle(3, true), FileAccess.ReadWrite, 0);
    private byte[] incoming = new byte[Usual];
    private int start, end;

    /// <summary>Reads the next frame. The memory is good until the next call. False at the end.</summary>
    public bool Read(out Kind kind, out ReadOnlyMemory<byte> head, out ReadOnlyMemory<byte> body)
    {
        (kind, head, body) = (default, default, default);
        if (start == end)
        {
            (start, end) = (0, 0);
            // One large event does not keep its memory.
            if (incoming.Length > Usual) incoming = new byte[Usual];
        }
        if (!Fill(Prefix)) return false;
        var prefix = incoming.AsSpan(start, Prefix);
        var total = 4 + BinaryPrimitives.ReadInt32BigEndian(prefix);
        var headLength = BinaryPrimitives.ReadInt32BigEndian(prefix[5..]);
        kind = (Kind)prefix[4];
        if (total < Prefix || headLength < 0 || headLength > total - Prefix)
            throw new InvalidDataException("what comes from the host is no frame");
        if (!Fill(total)) return false;
        head = incoming.AsMemory(start + Prefix, headLength);
        body = incoming.AsMemory(start + Prefix + headLength, total - Prefix - headLength);
        start += total;
        return true;
    }

    public void Write(Kind kind, ReadOnlySpan<byte> head, ReadOnlySpan<byte> body)
    {
        var total = Prefix + head.Length + body.Length;
        var frame = ArrayPool<byte>.Shared.Rent(total);
        BinaryPrimitives.WriteInt32BigEndian(frame, total - 4);
        frame[4] = (byte)kind;
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(5), head.Length);
        head.CopyTo(frame.AsSpan(Prefix));
        body.CopyTo(frame.AsSpan(Prefix + head.Length));
        stream.Write(frame, 0, total);
        ArrayPool<byte>.Shared.Return(frame);
    }

    /// <summary>Reads until there are <paramref name="length"/> bytes. False if there will never be.</summary>
    private bool Fill(int length)
    {
        if (start > 0 && start + length > incoming.Length)
        {
            incoming.AsSpan(start, end - start).CopyTo(incoming);
            (start, end) = (0, end - start);
        }
        if (length > incoming.Length) Array.Resize(ref incoming, length);
        while (end - start < length)
        {
            var count = stream.Read(incoming, end, incoming.Length - end);
            if (count <= 0) return false;
            end += count;
        }
        return true;
    }
}
