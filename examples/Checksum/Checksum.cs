using System.Runtime.InteropServices;
using CloudNative.CloudEvents;

/// <summary>Adds up bytes in C: an event with binary data is answered with their sum.</summary>
public static class Checksum
{
    [DllImport("checksum")]
    private static extern uint adler32(byte[] bytes, nuint length);

    public static CloudEvent Process(CloudEvent e)
    {
        var bytes = (byte[])e.Data!;
        return new CloudEvent { Type = "checksum", Data = new { sum = adler32(bytes, (nuint)bytes.Length).ToString("x8") } };
    }
}
