// Does what it can in the time that it has, and says how far it came.
// workmanager: topic=Patience reply-topic=replies timeout=2s

using System.Text.Json;
using CloudNative.CloudEvents;

public static class Patience
{
    public static async ValueTask<CloudEvent> ProcessAsync(CloudEvent e, CancellationToken almostOver)
    {
        var wanted = ((JsonElement)e.Data!).GetInt32();
        var done = 0;
        try
        {
            for (; done < wanted; done++) await Task.Delay(50, almostOver);
        }
        catch (OperationCanceledException)
        {
            Console.WriteLine($"{wanted - done} are left for another time");
        }
        return new CloudEvent { Type = done == wanted ? "patience.done" : "patience.ended", Data = new { done } };
    }
}
