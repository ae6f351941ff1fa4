#nullable enable
using System;
using System.Text;
using System.Text.Json;
using CloudNative.CloudEvents;

namespace WorkManager.Host;

/// <summary>Pays for first uses before a worker is known: globalisation, JSON, and compiling the way of an event.</summary>
internal static class Prewarm
{
    private static readonly byte[] Head = Encoding.UTF8.GetBytes(
        """{"attempt":"a","event":{"specversion":"1.0","id":"1","source":"/s","type":"t","time":"2024-01-01T00:00:00Z","datacontenttype":"application/json","n":1},"data":"json"}""");

    internal static void Run()
    {
        var load = LoadHead.Read("""{"manifest":{"engine":{"entry":null},"config":{"a":"b"}}}"""u8);
        var method = Entry.Find(new[] { typeof(Prewarm).Assembly }, "Prewarm.Echo");
        var call = Calls.To(method, null);
        for (var round = 0; round < 2; round++)
        {
            var attempt = AttemptHead.Read(Head, """{"a":[1,"b",null]}"""u8, load.Config);
            _ = Answer.Of(attempt.Attempt, call(attempt.Event, default));
        }
        _ = JsonSerializer.SerializeToUtf8Bytes(new { a = 1, b = "c" });
        _ = DateTimeOffset.UtcNow.ToString();
        Console.Out.Flush();
    }

    public static CloudEvent Echo(CloudEvent e) => e;
}
